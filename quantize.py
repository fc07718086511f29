"""Quantizes a trained translation model to binary codes while it trains on."""

import argparse
import dataclasses
import functools
import json
from pathlib import Path

import bcq_tf
from bcq_tf.cli.settings import add_settings, read_object, read_settings, with_scope
from bcq_tf.cli.start import starting
from bcq_tf.config import ALL_SCOPES, check_budget, check_tune, make_rules
from bcq_tf.files.paths import check_writable
from bcq_tf.reports.summary import Summary

with starting():
    import keras
    import numpy as np

    from transformer import checkpoint, corpus, evaluation, pipeline, script
    from transformer.errors import UserError
    from transformer.fit import fit_run
    from transformer.vocabulary import PAD

SAMPLE_TOKENS = 2048  # of a batch of samples
MODEL_FILE, SETTINGS = "model.bcq.npy", "quantize.json"
WEIGHTS_FILE, RULES = "weights.txt", "rules.json"
EXAMPLES = """examples:
  python quantize.py
      the model of pretrain.py to 3 bits, into runs/demo-3bit
  python quantize.py --bits 2 --epochs 8
      to 2 bits, training longer
  python quantize.py --bits 3 --epochs 0 --calibration 1000
      in one shot, without training, for what 1,000 training sentences give the layers
  python quantize.py --budget 2.0 --calibration 1000
      to 2 bits a weight, words and matrices that matter more with more of them
  python quantize.py --bits 1 --schedule '{"500": 3, "1000": 2}'
      to 1 bit, by way of 3 until step 500 and 2 until step 1000
  python quantize.py --bits 2 --rules '{"*embedding*": 4, "encoder*": {"bits": 1}}'
      embeddings to 4 bits, the encoder to 1, all else to 2
  python quantize.py --bits 8 --solver uniform --scope attention+embedding
      attention and embeddings to 8 bits of evenly spaced levels, all else stays float

The same command again goes on after the last whole epoch.
"""


def parse_arguments(arguments=None):
    parser = script.Parser(__doc__, EXAMPLES)
    add = parser.add_argument
    add("--from", dest="source", default="runs/demo", help="run to start from (%(default)s)")
    add("--output", help="folder of this run (that of --from, with -3bit and the like added)")
    add("--data", help="demo, tfds:NAME or a folder (what the model was trained on)")
    add_settings(parser)
    add("--schedule", help="JSON object, or a file of one: bits until an optimizer step, null for "
        "float")  # fmt: skip
    add("--every", type=int, default=100, help="steps between two solves (%(default)s)")
    add(
        "--latent",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="train straight through the codes, or with --no-latent by periodic projection",
    )
    add("--epochs", type=int, default=5, help="passes over the data, 0 for none (%(default)s)")
    add("--calibration", type=int, default=0, help="with --epochs 0 or --budget, training "
        "sentences that codes are solved for, and bits chosen by (none)")  # fmt: skip
    add("--budget", type=float, help="bits a weight in place of --bits, spent where they count")
    add("--tune", type=int, default=0, help="with --epochs 0 and --calibration, passes over these "
        "sentences in which scales are trained (none)")  # fmt: skip
    add("--learning-rate", type=float, default=3e-3, help="at the start, falling to 0 along a "
        "cosine (%(default)s)")  # fmt: skip
    add("--distill", type=float, metavar="SHARE", help="of the loss, how far the outputs are from "
        "the float model's (none)")  # fmt: skip
    add("--temperature", type=float, help="of --distill (1)")
    add("--dropout", type=float, help="dropout rate (that of --from); 1 bit does best with 0")
    add("--float", dest="is_float", action="store_true", help="quantize nothing: the comparison")
    add("--seed", type=int, default=0, help="random seed (%(default)s)")
    add(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on with the run in the output folder, or with --no-resume start it over",
    )
    options = parser.parse_args(arguments)
    read_quantization(options)
    return options


def main(arguments=None):
    options = parse_arguments(arguments)
    script.check_seed(options.seed)
    script.check_positive("learning_rate", options.learning_rate)
    folder = Path(options.output or default_output(options))
    check_writable(folder / MODEL_FILE)
    if folder.resolve() == Path(options.source).resolve():
        raise UserError(f"`output` must be another folder than `from`. Received: {folder}")
    keras.utils.set_random_seed(options.seed)
    run = checkpoint.load_run(options.source, dropout_rate=options.dropout)
    run = dataclasses.replace(run, seed=options.seed)
    add_scope(run.model, options)
    check_quantization(run.model, options)
    sentences = corpus.load_corpus(options.data or run.data, run.languages)
    if not options.resume:
        clear_folder(folder)
    open_folder(folder, run, options)
    if options.budget is not None:
        options.rules = spend_budget(folder / RULES, run, sentences, options)
    weights = run.model.count_params()
    if options.is_float:
        train_float(folder, run, sentences, options)
    else:
        quantize_run(folder, run, sentences, options)
    result = evaluation.evaluate(run.model, run.vocabularies, sentences.test)
    save_result(folder, weights, result, options)
    print(f"test set: {result}")


def default_output(options):
    """The run's folder where none was asked for: runs/demo-3bit."""
    bits = options.config.bits if options.budget is None else options.budget
    scope = "" if options.scope == ALL_SCOPES else f"{options.scope}-"
    return f"{options.source}-{'float' if options.is_float else f'{scope}{bits}bit'}"


def read_quantization(options):
    """Makes `config`, `rules` and `schedule` what they say; UserError where they cannot be."""
    try:
        options.config, options.rules = read_settings(options)
        check_budget(options.budget, options.bits, options.calibration or None)
        schedule = read_object("--schedule", options.schedule)
    except (ValueError, TypeError) as error:
        raise UserError(error) from None
    try:
        options.schedule = schedule and {int(step): change for step, change in schedule.items()}
    except ValueError as error:
        raise UserError(f"`--schedule` must have optimizer steps as its keys: {error}") from None


def add_scope(model, options):
    """Adds to the rules those by which layers that are not in scope stay float."""
    try:
        options.rules = with_scope(options.rules, model, options, options.config)
    except (ValueError, TypeError) as error:
        raise UserError(error) from None


def check_quantization(model, options):
    """Raises UserError, before any work, where bcq_tf would refuse the settings."""
    if options.epochs < 0:
        raise UserError(f"`epochs` must not be negative. Received: epochs={options.epochs}")
    if options.schedule and not options.epochs:
        raise UserError("`schedule` needs training. Received: epochs=0")
    if options.calibration < 0:
        raise UserError(
            f"`calibration` must not be negative. Received: calibration={options.calibration}"
        )
    if options.calibration and options.epochs and options.budget is None:
        raise UserError(
            f"`calibration` needs --epochs 0 or --budget. Received: epochs={options.epochs}"
        )
    if options.distill is not None and (options.is_float or not options.epochs):
        raise UserError(f"`distill` needs quantized training. Received: distill={options.distill}")
    if options.tune > 0 and (options.epochs or not options.calibration):
        raise UserError(f"`tune` needs --epochs 0 and --calibration. Received: tune={options.tune}")
    try:
        check_tune(options.tune, options.calibration)
        # Its own teacher stands for another one, which is not read before all else is right.
        make_callback(None, options, None if options.distill is None else model).check(model)
    except (ValueError, TypeError) as error:
        raise UserError(error) from None


def make_callback(path, options, teacher=None):
    teaching = {}
    if teacher is not None:
        teaching = {"teacher": teacher, "alpha": options.distill}
        if options.temperature is not None:
            teaching["temperature"] = options.temperature
    return bcq_tf.BCQCallback(
        path,
        config=options.config,
        rules=options.rules,
        schedule=options.schedule,
        every_n_steps=options.every,
        latent=options.latent,
        verbose=1,
        resume=options.resume,
        **teaching,
    )


def clear_folder(folder):
    """Deletes the files of a run that this script made, and nothing else."""
    for name in (SETTINGS, MODEL_FILE, WEIGHTS_FILE, RULES):
        (folder / name).unlink(missing_ok=True)
    checkpoint.clear_run(folder)


def open_folder(folder, run, options):
    """Makes the run's folder, or checks that the one there was made with the same settings."""
    settings, path = settings_of(options), folder / SETTINGS
    if path.is_file():
        # Options that a run made before they were there does not name had what is now the default.
        old = settings_of(parse_arguments([])) | checkpoint.read_json(path, {})
        for name, value in settings.items():
            if old[name] != value:
                raise UserError(
                    f"{folder} holds a run with {name}={old[name]}. Received: {name}={value}; "
                    "give another --output, or --no-resume to start over"
                )
    checkpoint.save_run(folder, run)
    checkpoint.write_json(path, settings)


def settings_of(options):
    """What must be equal in a run that goes on, as it is read from the folder."""
    rules = [dataclasses.asdict(rule) for rule in options.rules]
    settings = vars(options) | options.config.to_dict() | {"rules": rules}
    for name in ("output", "resume", "config", "scope"):  # that one is in the rules
        del settings[name]
    return json.loads(json.dumps(settings))


def quantize_run(folder, run, sentences, options):
    """Makes the quantized file, with or without training; the run's model computes from it."""
    path = folder / MODEL_FILE
    if options.epochs:
        teacher = None
        if options.distill is not None:
            teacher = checkpoint.load_run(options.source).model
        callback = make_callback(path, options, teacher)
        rate, saving = falling_rate(options), callback.training_weights
        fit_run(folder, run, sentences, options.epochs, rate, [callback], saving=saving)
    else:
        config, rules = options.config, options.rules
        samples = training_samples(run, sentences, options) if options.calibration else None
        bcq_tf.quantize_model(
            run.model,
            config=config,
            rules=rules,
            calibration=samples,
            tune=options.tune,
            filepath=path,
        )
    opened = bcq_tf.read(path)
    bcq_tf.pack_model(run.model, opened)
    report = bcq_tf.Report.of(opened, opened.metadata)
    (folder / WEIGHTS_FILE).write_text(str(report), "utf-8")
    print(Summary(report))
    print(f"Each weight by itself: {folder / WEIGHTS_FILE}")


def spend_budget(path, run, sentences, options):
    """The rules that a budget gives, kept at `path` for when the run goes on."""
    if not path.is_file():
        rules = bcq_tf.allocate(
            run.model,
            options.budget,
            calibration=training_samples(run, sentences, options),
            config=options.config,
            rules=options.rules,
            verbose=True,
        )
        checkpoint.write_json(path, rules)
    return make_rules(checkpoint.read_json(path, {}), options.config)


def training_samples(run, sentences, options):
    """Batches of random training sentences; compiles with the loss that tells what errors cost."""
    run.model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    pairs = pipeline.tokenize_pairs(sentences.train, run.vocabularies, run.hparams.max_tokens)
    chosen = np.random.default_rng(options.seed).permutation(len(pairs))[: options.calibration]
    sample = dataclasses.replace(
        pairs,
        source=pairs.source[chosen],
        target=pairs.target[chosen],
        lengths=pairs.lengths[chosen],
    )
    batches = pipeline.evaluation_batches(sample, SAMPLE_TOKENS)
    return ((inputs, targets, targets != PAD) for inputs, targets in batches)


def train_float(folder, run, sentences, options):
    """Trains on as the quantized model would, without quantizing."""
    if options.epochs:
        fit_run(folder, run, sentences, options.epochs, falling_rate(options))
        checkpoint.load_weights(run.model, folder / checkpoint.BEST)


def falling_rate(options):
    """The learning rate for a number of steps: a cosine that ends at 0."""
    return functools.partial(keras.optimizers.schedules.CosineDecay, options.learning_rate)


def save_result(folder, weights, result, options):
    """Writes result.json with the size of the file, or of the float32 weights.

    weights: how many the model has.
    """
    if options.is_float:
        checkpoint.save_result(folder, result, weights, bits_per_weight=32, nbytes=4 * weights)
        return
    opened = bcq_tf.read(folder / MODEL_FILE)
    bits = bcq_tf.Report.of(opened, opened.metadata).bits_per_weight
    checkpoint.save_result(folder, result, weights, bits, opened.nbytes)


if __name__ == "__main__":
    script.run(main, errors=(bcq_tf.FileFormatError,))
