"""Trains a translation transformer, from Portuguese to English or between other languages."""

import argparse
import dataclasses
from pathlib import Path

from bcq_tf.cli.start import starting
from bcq_tf.files.paths import check_writable

with starting():
    import keras

    from transformer import checkpoint, corpus, evaluation, hparams, script
    from transformer.errors import UserError
    from transformer.fit import fit_run
    from transformer.model import build_model
    from transformer.vocabulary import Vocabularies

EXAMPLES = """examples:
  python pretrain.py
      the embedded sentences, a few minutes on two cores, into runs/demo
  python pretrain.py --hparams hparams/small.json --data tfds:ted_hrlr_translate/pt_to_en
      the published model on TED talks
  python pretrain.py --hparams hparams/multi30k.json --data FOLDER --output runs/mine --seed 1
      your own sentences: train.pt, train.en, val.pt, val.en, test.pt, test.en in FOLDER
  python pretrain.py --data FOLDER --source es --target en --output runs/es-en
      other languages: train.es, train.en and so on

The same command again goes on after the last whole epoch.
"""


def parse_arguments(arguments=None):
    parser = script.Parser(__doc__, EXAMPLES)
    parser.add_argument("--hparams", default="hparams/demo.json", help="JSON file (%(default)s)")
    parser.add_argument("--data", default="demo", help="demo, tfds:NAME or a folder (%(default)s)")
    parser.add_argument("--source", default="pt", help="language, as files end (%(default)s)")
    parser.add_argument("--target", default="en", help="language, as files end (%(default)s)")
    parser.add_argument("--epochs", type=int, help="passes over the data (from the hparams file)")
    parser.add_argument("--output", default="runs/demo", help="folder of the run (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (%(default)s)")
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on with the run in the output folder, or with --no-resume start it over",
    )
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse_arguments(arguments)
    script.check_seed(options.seed)
    keras.utils.set_random_seed(options.seed)
    values = hparams.load(options.hparams)
    epochs = values.epochs if options.epochs is None else options.epochs
    if epochs < 1:
        raise UserError(f"`epochs` must be a positive integer. Received: epochs={epochs}")
    folder, languages = Path(options.output), (options.source, options.target)
    check_writable(folder / "run.json")
    sentences = corpus.load_corpus(options.data, languages)
    if not options.resume:
        checkpoint.clear_run(folder)
    run = open_run(folder, values, options.data, options.seed, languages, sentences)
    fit_run(folder, run, sentences, epochs)
    best = checkpoint.load_run(folder)
    result = evaluation.evaluate(best.model, best.vocabularies, sentences.test)
    weights = best.model.count_params()
    checkpoint.save_result(folder, result, weights, bits_per_weight=32, nbytes=4 * weights)
    print(f"test set: {result}")


def open_run(folder, values, data, seed, languages, sentences):
    """The run that the folder holds, without its weights, or a new one."""
    if (folder / "run.json").is_file():
        run = checkpoint.load_run(folder, weights=None)
        wanted = dataclasses.replace(run, hparams=values, data=data, seed=seed, languages=languages)
        checkpoint.check_same(folder, run, wanted)
        return run
    vocabularies = Vocabularies.train(sentences.train, values)
    model = build_model(values, vocabularies)
    run = checkpoint.Run(model, values, vocabularies, data, seed, languages)
    checkpoint.save_run(folder, run)
    return run


if __name__ == "__main__":
    script.run(main)
