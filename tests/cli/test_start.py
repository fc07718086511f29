"""How programs start. Modules that take long to import are played by short ones of their names."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bcq_tf.cli.start import LOG_LEVEL

ROOT = Path(__file__).resolve().parents[2]
LOG = b"""WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:17.0 42 cudart_stub.cc:31] Could not find cuda drivers on your machine
E0000 00:00:17.0 42 cuda_dnn.cc:8] Unable to register cuDNN factory
"""


def python(*words, cwd=ROOT, **environment):
    """Runs Python with these words, in an environment in which nobody chose what is logged."""
    chosen = {k: v for k, v in os.environ.items() if k != LOG_LEVEL} | environment
    command = [sys.executable, *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, env=chosen, capture_output=True, check=False, preexec_fn=_interruptible
    )


def _interruptible() -> None:
    """Where the suite runs in a shell's background, its processes ignore interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(code: str, **environment):
    """Runs code within `starting()`, as the import of TensorFlow runs."""
    return python("-c", f"""
import os, sys
from bcq_tf.cli.start import starting
with starting():
    os.write(2, {LOG!r})
    {code}
os.write(2, b"I0000 later\\n")
print(os.environ["{LOG_LEVEL}"])
""", **environment)  # fmt: skip


def test_tensorflows_log_is_silent_while_it_is_imported_and_nothing_else_is():
    done = start("os.write(2, b'a warning\\nno line end'); print('and Python', file=sys.stderr)")
    assert done.stderr == b"a warning\nno line endand Python\nI0000 later\n"
    assert done.stdout.split() == [b"3"]


@pytest.mark.parametrize("level", ["0", "2"])
def test_what_the_user_chose_counts(level):
    done = start("pass", **{LOG_LEVEL: level})
    assert done.stderr == LOG + b"I0000 later\n"
    assert done.stdout.split() == [level.encode()]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise ImportError('libcuda')", b"ImportError: libcuda"),
        ("os.write(2, b'F0000 compiled for AVX\\n'); os.abort()", b"F0000 compiled for AVX"),
    ],
)
def test_the_reason_of_a_failed_start_is_shown(code, message):
    done = start(code)
    assert done.returncode not in (0, 130)
    assert message in done.stderr
    assert b"I0000" not in done.stderr


def test_the_library_leaves_the_environment_alone():
    code = f"import os, bcq_tf; bcq_tf.quantize([[1.0]], 1); assert '{LOG_LEVEL}' not in os.environ"
    assert python("-c", code).returncode == 0


INTERRUPTED = """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("keras", [ROOT / "pretrain.py"]),
        ("keras", [ROOT / "quantize.py"]),
        ("keras", ["-m", "bcq_tf", "quantize", ROOT / "README.md", "out.bcq.npy"]),
        ("numpy", ["-m", "bcq_tf", "inspect", "nothing"]),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value[-2 % len(value)]),
)
def test_an_interrupt_while_modules_are_imported_ends_with_130(tmp_path, module, words):
    (tmp_path / f"{module}.py").write_text(INTERRUPTED)
    # The other order would find the real modules first.
    done = python(
        *words, cwd=tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}", PYTHONDONTWRITEBYTECODE="1"
    )
    assert (done.returncode, done.stderr) == (130, b"\nstopped\n")
    assert os.listdir(tmp_path) == [f"{module}.py"]


def test_the_console_command_is_that_of_the_module():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    assert '[project.scripts]\nbcq_tf = "bcq_tf.__main__:main"\n' in text
    code = "import sys; from bcq_tf.__main__ import main; sys.argv = ['bcq_tf', 'inspect', 'no']"
    done = python("-c", f"{code}; sys.exit(main())")
    assert (done.returncode, done.stderr) == (2, b"error: No such file: 'no'\n")
