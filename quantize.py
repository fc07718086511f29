"""Quantizes a trained translation model to binary codes while it trains on."""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras

import bcq_tf
from transformer import checkpoint, corpus, evaluation, pipeline, script, training
from transformer.errors import UserError

MODEL_FILE = "model.bcq.npy"
EXAMPLES = """examples:
  python quantize.py
      the model of pretrain.py to 3 bits, into runs/demo-3bit
  python quantize.py --bits 2 --epochs 8
      to 2 bits, training longer
  python quantize.py --bits 3 --epochs 0
      in one shot, without training
  python quantize.py --bits 2 --rules '{"*embedding*": 4, "encoder*": {"bits": 1}}'
      embeddings to 4 bits, the encoder to 1, all else to 2

The same command again goes on after the last whole epoch.
"""


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--from", dest="source", default="runs/demo", help="run to start from (%(default)s)")
    add("--output", help="folder of this run (that of --from, with -3bit and the like added)")
    add("--data", help="demo, tfds:NAME or a folder (what the model was trained on)")
    add("--bits", type=int, default=3, help="bit planes, 1 to 8 (%(default)s)")
    add("--rules", help="JSON object, or a file of one: pattern of weights to bits or settings")
    add("--every", type=int, default=100, help="steps between two solves (%(default)s)")
    add(
        "--latent",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="train straight through the codes, or with --no-latent by periodic projection",
    )
    add("--solver", default="alternating", help="alternating, greedy or uniform (%(default)s)")
    add("--group-size", type=int, help="columns that share scales, a multiple of 32 (whole rows)")
    add("--epochs", type=int, default=5, help="passes over the data, 0 for none (%(default)s)")
    add("--learning-rate", type=float, default=2e-3, help="at the start, falling to 0 along a "
        "cosine (%(default)s)")  # fmt: skip
    add("--float", dest="is_float", action="store_true", help="quantize nothing: the comparison")
    add("--seed", type=int, default=0, help="random seed (%(default)s)")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse_arguments(arguments)
    keras.utils.set_random_seed(options.seed)
    run = checkpoint.load_run(options.source)
    rules = read_rules(options.rules)
    check_quantization(run.model, options, rules)
    sentences = corpus.load_corpus(options.data or run.data)
    folder = Path(options.output or default_output(options))
    open_folder(folder, run, options)
    if options.epochs:
        train(folder, run, sentences, options, rules)
    elif not options.is_float:
        quantize_once(folder, run.model, options, rules)
    if not options.is_float:
        opened = bcq_tf.read(folder / MODEL_FILE)
        print(bcq_tf.Report.of(opened, opened.metadata))
    result = evaluation.evaluate(run.model, run.vocabularies, sentences.test)
    write_result(folder, run.model, result, options)
    print(f"test set: {result}")


def default_output(options):
    """The run's folder where none was asked for: runs/demo-3bit."""
    kind = "float" if options.is_float else f"{options.bits}bit"
    return f"{options.source}-{kind}"


def read_rules(text):
    """The rules of a JSON object, given as text or as the path of a file."""
    if text is None:
        return None
    try:
        rules = json.loads(Path(text).read_text() if os.path.isfile(text) else text)
    except ValueError as error:
        raise UserError(f"`rules` must be a JSON object or a file of one: {error}") from None
    if not isinstance(rules, dict):
        raise UserError(f"`rules` must be a JSON object. Received: {text}")
    return rules


def check_quantization(model, options, rules):
    """Raises UserError, before any work, where bcq_tf would refuse the settings."""
    if options.epochs < 0:
        raise UserError(f"`epochs` must not be negative. Received: epochs={options.epochs}")
    try:
        make_callback(None, options, rules)
        bcq_tf.select(model, rules=rules)
    except (ValueError, TypeError) as error:
        raise UserError(error) from None


def make_callback(path, options, rules):
    return bcq_tf.BCQCallback(
        path,
        options.bits,
        rules=rules,
        every_n_steps=options.every,
        latent=options.latent,
        group_size=options.group_size,
        solver=options.solver,
        verbose=1,
    )


def open_folder(folder, run, options):
    """Makes the run's folder, or checks that the one there was made with the same settings."""
    settings = {name: value for name, value in vars(options).items() if name != "output"}
    path = folder / "quantize.json"
    if path.is_file():
        old = checkpoint.read_json(path, {})
        for name, value in settings.items():
            if old.get(name) != value:
                raise UserError(
                    f"{folder} holds a run with {name}={old.get(name)}. Received: {name}={value}; "
                    "give another --output"
                )
    checkpoint.save_run(folder, run)
    checkpoint.write_json(path, settings)


def train(folder, run, sentences, options, rules):
    """Trains up to `options.epochs` epochs; the run's model ends as the best quantized one."""
    values = run.hparams
    pairs = pipeline.tokenize_pairs(sentences.train, run.vocabularies, values.max_tokens)
    held_out = pipeline.tokenize_pairs(sentences.val, run.vocabularies)
    steps = pipeline.steps_per_epoch(pairs, values.batch_tokens)
    schedule = keras.optimizers.schedules.CosineDecay(options.learning_rate, options.epochs * steps)
    training.compile_model(run.model, values, schedule)
    first_epoch = checkpoint.restore(folder, run.model, steps)
    callbacks = [checkpoint.SaveEpoch(folder)]
    if not options.is_float:
        callbacks.append(make_callback(folder / MODEL_FILE, options, rules))
    run.model.fit(
        pipeline.training_batches(pairs, values.batch_tokens, options.seed, first_epoch),
        steps_per_epoch=steps,
        initial_epoch=first_epoch,
        epochs=options.epochs,
        validation_data=pipeline.evaluation_batches(held_out, values.batch_tokens),
        callbacks=[*callbacks, keras.callbacks.CSVLogger(folder / checkpoint.LOG, append=True)],
        verbose=1 if sys.stdout.isatty() else 2,
        shuffle=False,
    )
    if options.is_float:
        checkpoint.load_weights(run.model, folder / checkpoint.BEST)


def quantize_once(folder, model, options, rules):
    """Quantizes the model in one shot."""
    bcq_tf.quantize_model(
        model,
        options.bits,
        rules,
        group_size=options.group_size,
        solver=options.solver,
        filepath=folder / MODEL_FILE,
    )


def write_result(folder, model, result, options):
    """Writes result.json, which tables are made from."""
    bits_per_weight, nbytes = 32, 4 * model.count_params()
    if not options.is_float:
        opened = bcq_tf.read(folder / MODEL_FILE)
        bits_per_weight = bcq_tf.Report.of(opened, opened.metadata).bits_per_weight
        nbytes = opened.nbytes
    values = {
        "bleu": result.bleu,
        "signature": result.signature,
        "sentences_per_second": result.sentences_per_second,
        "weights": model.count_params(),
        "bits_per_weight": bits_per_weight,
        "nbytes": nbytes,
    }
    checkpoint.write_json(folder / "result.json", values)


if __name__ == "__main__":
    script.run(main)
