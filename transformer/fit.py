"""Trains the model of a run, in its folder, from where the folder stands."""

import contextlib
import functools
import sys

import keras

from transformer import checkpoint, pipeline, training


def fit_run(
    folder,
    run,
    sentences,
    epochs,
    learning_rate=None,
    callbacks=(),
    saving=contextlib.nullcontext,
):
    """Trains up to `epochs` epochs in all and keeps weights and log in the folder.

    Args:
        folder: of the run, see `transformer.checkpoint`; one that holds last.weights.h5 goes on.
        run: the `Run`; its model is compiled here.
        sentences: the `Corpus`.
        epochs: how many, those that the folder has included.
        learning_rate: None for the schedule of the run's hparams, or a function from the number of
            all steps to a number or schedule.
        callbacks: of Keras; what they add to the logs goes to log.csv.
        saving: makes the context in which the weights are saved that training goes on from.
    """
    values = run.hparams
    pairs = pipeline.tokenize_pairs(sentences.train, run.vocabularies, values.max_tokens)
    held_out = pipeline.tokenize_pairs(sentences.val, run.vocabularies)
    steps = pipeline.steps_per_epoch(pairs, values.batch_tokens)
    schedule = learning_rate or functools.partial(training.learning_rate, values)
    training.compile_model(run.model, values, schedule(epochs * steps))
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
        # The weights come last: an epoch that was stopped before them is trained again.
        callbacks=[
            training.SeedDropout(run.seed),
            *callbacks,
            keras.callbacks.CSVLogger(folder / checkpoint.LOG, append=True),
            checkpoint.SaveEpoch(folder, best=best, saving=saving),
        ],
        verbose=1 if sys.stdout.isatty() else 2,
        shuffle=False,
    )
