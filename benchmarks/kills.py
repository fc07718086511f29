"""Kills training runs at random moments, starts them again until they end, looks what is left.

A run is a small `fit` with BCQCallback, in a process of its own. Half of the kills (SIGKILL) come
at a random moment of the training, half at or shortly after a random operation on the run's files,
so that they strike within writes and between renames. After each kill every file must be whole and
the best value no worse than before. A run that ends must leave the files of one that nothing
disturbed: the same codes, weights and values. With BackupAndRestore the next process goes on;
without it training begins again and goes on with the best value (`resume=True`).

    python -m benchmarks.kills
"""

import argparse
import contextlib
import io
import itertools
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

# Imported before the processes part, which takes most of a run's time otherwise. No operation of
# TensorFlow may run here: its threads would be missing in the others.
import keras
import numpy as np
from rich.console import Console

import bcq_tf
from bcq_tf import BCQCallback
from benchmarks.result_table import result_table

EPOCHS, ROWS, BATCH = 4, 64, 16
CASES = list(itertools.product(("projection", "latent"), (1, 3), (True, False)))
WRITING = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}
LONGEST = 120  # seconds of one process


def main():
    options = parse_arguments()
    share = -(-options.kills // len(CASES))
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        results = pool.starmap(
            try_case, [(case, share, f"{options.seed} {case}") for case in CASES], chunksize=1
        )
    title = f"kills, seed {options.seed}"
    Console(width=120).print(result_table(title, list(results[0]), {}, results))
    sys.exit(any(result["lost"] or result["differing ends"] for result in results))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200, help="in all (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (%(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at once (%(default)s)")
    return parser.parse_args()


def try_case(case, kills, seed):
    """A row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        return try_in(Path(folder), case, kills, random.Random(seed))


def try_in(folder, case, kills, draw):
    way, keep, backup = case
    whole = Life(case, folder / "whole")
    assert whole.end(), "the undisturbed run failed"
    expected = content(whole.folder)
    found = {"in writes": 0, "runs ended": 0, "lost": 0, "differing ends": 0}
    killed, number, best = 0, 0, None
    while killed < kills or best is not None:  # the last run may end
        run = folder / str(number)
        in_write = killed < kills and draw.random() < 0.5
        if killed >= kills:
            ended = Life(case, run).end()
            assert ended, f"{run} failed"
        elif in_write:
            event, delay = draw.randrange(whole.events), draw.choice((0, 0.001, 0.005, 0.02))
            ended = Life(case, run, event=event, delay=delay * draw.random()).end()
        else:
            ended = Life(case, run).end(after=draw.uniform(-0.1, 1) * whole.seconds)
        now = best_value(run)
        found["lost"] += best is not None and (now is None or now > best)
        best = now
        if ended:
            found["runs ended"] += 1
            found["differing ends"] += content(run) != expected
            shutil.rmtree(run)
            number, best = number + 1, None
        else:
            killed += 1
            found["in writes"] += in_write
    settings = {"training": way, "keep": keep, "BackupAndRestore": backup, "kills": killed}
    return settings | found


class Life:
    """One process of a run.

    Attributes:
        seconds: from the start of training on, of one that ended by itself.
        events: how many operations on files it did.
    """

    def __init__(self, case, folder, event=None, delay=0.0):
        self.folder = folder
        self._begun, begun = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            live(case, folder, begun, event, delay)
        os.close(begun)

    def end(self, after=None):
        """Waits for its end, or kills it; whether it came to its end.

        after: seconds from the beginning of training after which it is killed.
        """
        with os.fdopen(self._begun, "rb", buffering=0) as pipe:
            pipe.read(1)
            start = time.monotonic()
            if after is not None:
                time.sleep(max(after, 0))
                os.kill(self._process, signal.SIGKILL)
            events = pipe.read()
        _, status = os.waitpid(self._process, 0)
        self.seconds = time.monotonic() - start
        if status == 0:
            self.events = int(events or 0)
        elif not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            raise SystemExit(f"{self.folder}: a process failed with status {status}")
        return status == 0


def live(case, folder, begun, event, delay):
    """What the process does; it does not return."""
    status = 1
    try:
        signal.alarm(LONGEST)
        folder.mkdir(exist_ok=True)
        events = kill_at(folder, event, delay)
        with contextlib.redirect_stdout(io.StringIO()):
            train(case, folder, begun)
        os.write(begun, str(len(events)).encode())
        status = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        os._exit(status)


def kill_at(folder, event, delay):
    """Kills this process `delay` seconds after an operation on files, counted from 0.

    Returns a list of them that grows.
    """
    events, inside = [], str(folder)

    def die():
        time.sleep(delay)
        os.kill(os.getpid(), signal.SIGKILL)

    def watch(name, arguments):
        if name not in WRITING or inside not in str(arguments[0]):
            return
        events.append(name)
        if len(events) - 1 == event:
            threading.Thread(target=die).start() if delay else die()

    sys.addaudithook(watch)
    return events


class Begin(keras.callbacks.Callback):
    """Says when training begins."""

    def __init__(self, pipe):
        super().__init__()
        self.pipe = pipe

    def on_epoch_begin(self, epoch, logs=None):
        if self.pipe is not None:
            os.write(self.pipe, b"1")
            self.pipe = None


def train(case, folder, begun):
    """One `fit` of the run, from where it stands. The model must be the best one then."""
    way, keep, backup = case
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2 * ROWS, 32)).astype("float32")
    y = np.tanh(x @ rng.normal(size=(32, 4)) / 4).astype("float32")
    layers = [keras.Input((32,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(4)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.02), "mse", run_eagerly=True)
    held_out = x[ROWS:], y[ROWS:]
    path = folder / ("m.bcq.npy" if keep == 1 else "{epoch}.bcq.npy")
    ours = BCQCallback(
        path, 2, every_n_steps=4, latent=way == "latent", keep=keep, resume=None if backup else True
    )
    backups = [keras.callbacks.BackupAndRestore(folder / "backup")] if backup else []
    model.fit(
        x[:ROWS], y[:ROWS], BATCH, EPOCHS, 0, [Begin(begun), *backups, ours],
        validation_data=held_out, shuffle=False,
    )  # fmt: skip
    loss = model.evaluate(*held_out, verbose=0)
    assert np.isclose(loss, ours.best, rtol=1e-5), f"the model has {loss}, the best is {ours.best}"


def files(folder):
    """The run's files; each must be whole."""
    return [bcq_tf.read(path) for path in sorted(folder.glob("*.bcq.npy"))]


def best_value(folder):
    """The best value that is on the disk, None where there is no file."""
    return min((one.metadata["value"] for one in files(folder)), default=None)


def content(folder):
    """What must be equal: {file name: value, epoch, step and all bytes of codes and weights}.

    Without files that were put out of the way by a run that began after one had come to its end.
    """
    return {
        os.path.basename(one.path): [
            *(one.metadata[key] for key in ("value", "epoch", "step")),
            *(part.tobytes() for value in one.values() for part in parts(value)),
        ]
        for one in files(folder)
        if not one.path.endswith(".previous.bcq.npy")
    }


def parts(value):
    """The arrays of a value in a file."""
    return value.arrays().values() if isinstance(value, bcq_tf.BinaryCodes) else [value]


if __name__ == "__main__":
    main()
