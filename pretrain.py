"""Trains a translation transformer from Portuguese to English."""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras

from transformer import checkpoint, corpus, evaluation, hparams, pipeline, script, training
from transformer.errors import UserError
from transformer.model import build_model
from transformer.vocabulary import Vocabularies

EXAMPLES = """examples:
  python pretrain.py
      the embedded sentences, a few minutes on two cores, into runs/demo
  python pretrain.py --hparams hparams/small.json --data tfds:ted_hrlr_translate/pt_to_en
      the published model on TED talks
  python pretrain.py --hparams hparams/multi30k.json --data FOLDER --output runs/mine --seed 1
      your own sentences: train.pt, train.en, val.pt, val.en, test.pt, test.en in FOLDER

The same command again goes on after the last whole epoch.
"""


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hparams", default="hparams/demo.json", help="JSON file (%(default)s)")
    parser.add_argument("--data", default="demo", help="demo, tfds:NAME or a folder (%(default)s)")
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
    keras.utils.set_random_seed(options.seed)
    values = hparams.load(options.hparams)
    epochs = values.epochs if options.epochs is None else options.epochs
    if epochs < 1:
        raise UserError(f"`epochs` must be a positive integer. Received: epochs={epochs}")
    sentences = corpus.load_corpus(options.data)
    folder = Path(options.output)
    if not options.resume:
        checkpoint.clear_run(folder)
    run = open_run(folder, values, options.data, options.seed, sentences)
    train(folder, run, sentences, epochs)
    best = checkpoint.load_run(folder)
    print(f"test set: {evaluation.evaluate(best.model, best.vocabularies, sentences.test)}")


def open_run(folder, values, data, seed, sentences):
    """The run that the folder holds, without its weights, or a new one."""
    if not (folder / "run.json").is_file():
        vocabularies = Vocabularies.train(sentences.train, values)
        run = checkpoint.Run(build_model(values, vocabularies), values, vocabularies, data, seed)
        checkpoint.save_run(folder, run)
        return run
    run = checkpoint.load_run(folder, weights=None)
    checkpoint.check_same(folder, run, values, data, seed)
    return run


def train(folder, run, sentences, epochs):
    """Trains the run's model up to `epochs` epochs in all, from where its folder stands."""
    values = run.hparams
    pairs = pipeline.tokenize_pairs(sentences.train, run.vocabularies, values.max_tokens)
    held_out = pipeline.tokenize_pairs(sentences.val, run.vocabularies)
    steps = pipeline.steps_per_epoch(pairs, values.batch_tokens)
    training.compile_model(run.model, values)
    first_epoch = checkpoint.restore(folder, run.model, steps)
    print(
        f"{len(pairs)} training pairs in {steps} batches ({pairs.dropped} pairs longer than "
        f"{values.max_tokens} tokens dropped), {run.model.count_params():,} weights"
    )
    if first_epoch >= epochs:
        print(f"{folder} is complete: {first_epoch} epochs")
        return
    log = checkpoint.read_log(folder, first_epoch)
    checkpoint.write_log(folder, log)
    best = min((row["val_loss"] for row in log), default=float("inf"))
    run.model.fit(
        pipeline.training_batches(pairs, values.batch_tokens, run.seed, first_epoch),
        steps_per_epoch=steps,
        initial_epoch=first_epoch,
        epochs=epochs,
        validation_data=pipeline.evaluation_batches(held_out, values.batch_tokens),
        callbacks=[
            keras.callbacks.CSVLogger(folder / checkpoint.LOG, append=True),
            checkpoint.SaveEpoch(folder, best=best),
        ],
        verbose=1 if sys.stdout.isatty() else 2,
        shuffle=False,
    )


if __name__ == "__main__":
    script.run(main)
