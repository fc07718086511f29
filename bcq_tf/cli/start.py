"""How commands and scripts start: quietly, and without a traceback at Ctrl-C.

Nothing here happens by `import bcq_tf`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
INTERRUPTED = 130  # the exit code of a program that Ctrl-C ended
# While it is loaded, TensorFlow logs through absl, which asks no environment variable yet.
_FILTER = r"""
import os, re, sys
log = re.compile(rb"WARNING: All log messages before absl::InitializeLog\(\)|[IWE]\d{4} ")
for line in sys.stdin.buffer:
    if not log.match(line):
        os.write(2, line)
"""


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """A context in which a program imports TensorFlow.

    Unless the environment has TF_CPP_MIN_LOG_LEVEL, TensorFlow's log shows fatal errors only, from
    here on. Exceptions and what else is written to stderr are shown as ever.
    """
    with stopping(), _without_log():
        yield


def import_frameworks() -> None:
    """Imports TensorFlow, Keras and the packed layers, so that later imports take no time.

    For commands, when their arguments have been checked and before anything else imports them.
    """
    with starting():
        import keras  # noqa: F401
        import tensorflow  # noqa: F401

        import bcq_tf.layers  # noqa: F401  (models of packed layers are read too)


@contextlib.contextmanager
def stopping() -> Iterator[None]:
    """A context for imports, in which Ctrl-C ends the process at once, with code 130.

    An exception would be taken for the failure of an import by some modules, and be lost in others.
    """
    alone = threading.current_thread() is threading.main_thread()
    if not alone or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    stderr = os.dup(2)

    def stop(*_) -> None:
        os.write(stderr, b"\nstopped\n")
        os._exit(INTERRUPTED)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(stderr)


@contextlib.contextmanager
def _without_log() -> Iterator[None]:
    if LOG_LEVEL in os.environ or "tensorflow" in sys.modules or not sys.executable:
        yield
        return
    os.environ[LOG_LEVEL] = "3"
    # Another process, so that the last words of one that crashes here are seen.
    command = [sys.executable, "-I", "-S", "-c", _FILTER]
    kept = os.dup(2)
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as reader:
        os.dup2(reader.stdin.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
