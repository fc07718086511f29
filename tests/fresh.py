"""Fresh processes that have loaded TensorFlow and Keras, which takes seconds, and nothing else."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# A process that does nothing but load these and fork.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["keras", "tensorflow"])


def run(code: str, *arguments, folder=ROOT) -> subprocess.CompletedProcess:
    """Runs `python -c code arguments` in a folder; with its exit code and what it wrote."""
    words = ["-c", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as kept:
        process = _SERVER.Process(target=_execute, args=(code, words, folder, kept))
        process.start()
        process.join()
        written = [Path(kept, name).read_text() for name in ("stdout", "stderr")]
        return subprocess.CompletedProcess(words, process.exitcode, *written)


def _execute(code: str, words: list[str], folder, kept: str) -> None:
    for stream, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(Path(kept, name), os.O_WRONLY | os.O_CREAT), stream)
    os.chdir(folder)
    sys.argv = words
    exec(compile(code, "<fresh>", "exec"), {"__name__": "__main__"})
