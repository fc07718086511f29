"""Finding, checking and loading the compiled libraries: never a crash, one clear word."""

import _ctypes
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from bcq_tf import __version__, native
from tests.native.core import compiled_isas

ISAS = compiled_isas()
ROOT = Path(__file__).parent.parent
BUILT = native.FOLDER / "libbcq_core.so"
pytestmark = pytest.mark.skipif(
    not BUILT.exists() and os.environ.get("BCQ_TF_NATIVE") != "require", reason="make native"
)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def replaced(old: bytes, new: bytes):
    """A change of the file that keeps its length."""
    assert len(old) == len(new)
    return lambda content: content.replace(old, new)


def other_machine(content: bytes) -> bytes:
    return content[:18] + b"\xf3\x00" + content[20:]  # RISC-V


def mark(tensorflow: str) -> bytes:
    """What native/build_mark.cc leaves in a library."""
    return f"bcq_tf build: version={__version__} tensorflow={tensorflow} end".encode()


OTHER_VERSION = "9" + __version__[1:]
VERSION = f"version={__version__} ".encode()
DAMAGES = {
    "cut to a half": (cut, "is cut short"),
    "cut to its header": (lambda content: content[:64], "is cut short"),
    "cut to 20 bytes": (lambda content: content[:20], "is cut short"),
    "empty": (lambda content: b"", "is not a library"),
    "text": (lambda content: b"#!/bin/sh\nexit 0\n", "is not a library"),
    "another machine": (other_machine, "is for another kind of machine"),
    "32 bits": (lambda content: content[:4] + b"\1" + content[5:], "another kind of machine"),
    "another version": (
        replaced(VERSION, f"version={OTHER_VERSION} ".encode()),
        f"is of bcq_tf {OTHER_VERSION}, this is bcq_tf {__version__}",
    ),
    "no mark": (replaced(b"bcq_tf build", b"xxxxxx build"), "is not a library of bcq_tf"),
    "another library": (
        lambda content: Path(_ctypes.__file__).read_bytes() + mark("none"),
        r"cannot be loaded \(.*undefined symbol: bcq_",
    ),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An own folder with the core; nothing is loaded yet, no variable is set."""
    shutil.copy(BUILT, tmp_path)
    monkeypatch.setattr(native, "FOLDER", tmp_path)
    for name in ("BCQ_TF_NATIVE", "BCQ_TF_ISA"):
        monkeypatch.delenv(name, raising=False)
    native.forget()
    yield tmp_path
    native.forget()


def write(path: Path, content: bytes) -> None:
    """Under a new inode: a file that is loaded must not change."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def assert_refused(monkeypatch, use, message: str) -> None:
    """`use` warns once and gives None; it is an error where the core is required."""
    with pytest.warns(RuntimeWarning, match=message) as caught:
        assert use() is None
    (warning,) = caught
    assert "make native" in str(warning.message)
    assert "\n" not in str(warning.message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monkeypatch.setenv("BCQ_TF_NATIVE", "0")
        native.forget()
        assert use() is None
    monkeypatch.setenv("BCQ_TF_NATIVE", "require")
    native.forget()
    with pytest.raises(native.NativeLibraryError, match=message):
        use()


def test_the_core_is_loaded_once():
    core = native.core()
    assert core is not None
    assert native.core() is core
    assert native.isa_of(core) in native.isas_of(core)


@pytest.mark.parametrize("name", DAMAGES)
def test_a_core_that_cannot_be_used(name, folder, monkeypatch):
    damage, message = DAMAGES[name]
    damaged = damage(BUILT.read_bytes())
    assert damaged != BUILT.read_bytes()
    write(folder / BUILT.name, damaged)
    text = str(native.status())
    assert_refused(monkeypatch, native.core, message)
    assert "not used: " in text


def test_a_core_that_is_missing(folder, monkeypatch):
    (folder / BUILT.name).unlink()
    assert_refused(monkeypatch, native.core, "is missing")


def test_one_warning_is_enough(folder):
    (folder / BUILT.name).unlink()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert native.core() is None
        assert native.core() is None
        assert native.library(native.TF_OPS) is None
    assert [w.category for w in caught] == [RuntimeWarning]


def fake_ops(folder: Path, tensorflow: str) -> Path:
    """A library that is marked as linked with a version of TensorFlow."""
    path = folder / "libbcq_tf_ops.so"
    unmarked = BUILT.read_bytes().replace(b"bcq_tf build", b"xxxxxx build")
    write(path, unmarked + mark(tensorflow))
    return path


@pytest.mark.parametrize("built", ["2.21.0", "2.21.3", "2.21.0-rc1"])
def test_the_path_of_the_op_library(built, folder, monkeypatch):
    monkeypatch.setattr(native, "_installed_tensorflow", lambda: "2.21.1")
    path = fake_ops(folder, built)
    assert native.library(native.TF_OPS) == path
    assert f"built for TensorFlow {built}" in str(native.status())


@pytest.mark.parametrize(("built", "installed"), [("2.20.0", "2.21.1"), ("2.21.0", "none")])
def test_an_op_library_for_another_tensorflow(built, installed, folder, monkeypatch):
    monkeypatch.setattr(native, "_installed_tensorflow", lambda: installed)
    fake_ops(folder, built)
    message = f"is for TensorFlow {built}, installed is {installed}"
    assert message in str(native.status())
    assert_refused(monkeypatch, lambda: native.library(native.TF_OPS), message)


def test_the_installed_tensorflow_is_told_without_an_import():
    import tensorflow as tf

    code = (
        "import sys; from bcq_tf import native; print(native._installed_tensorflow());"
        "assert 'tensorflow' not in sys.modules"
    )
    assert run(code).stdout.strip() == tf.__version__ == native._installed_tensorflow()


def test_an_op_library_that_is_missing(monkeypatch):
    assert_refused(monkeypatch, lambda: native.library(native.TF_OPS), "is missing")


@pytest.mark.parametrize("name", native.OPTIONAL)
def test_an_optional_library_that_is_missing_is_no_problem(name, monkeypatch):
    monkeypatch.setenv("BCQ_TF_NATIVE", "require")
    assert native.library(name) is None
    assert f"{name:<11} not built" in str(native.status())


def test_status_of_a_core_that_is_used(monkeypatch):
    status = native.status()
    assert status.isa in ISAS
    assert str(status).startswith(f"bcq_tf {__version__}, BCQ_TF_NATIVE=auto\n")
    assert f"used, {status.isa}" in str(status)
    monkeypatch.setenv("BCQ_TF_NATIVE", "0")
    assert "not used: BCQ_TF_NATIVE=0" in str(native.status())


@pytest.mark.parametrize("value", ["1", "", "AUTO"])
def test_an_unknown_mode_is_an_error(value, monkeypatch):
    monkeypatch.setenv("BCQ_TF_NATIVE", value)
    for use in (native.core, native.status):
        with pytest.raises(ValueError, match=f"`BCQ_TF_NATIVE` must be one of .*={value!r}"):
            use()


def test_an_unknown_instruction_set_is_an_error(monkeypatch):
    monkeypatch.setenv("BCQ_TF_ISA", "sse9")
    with pytest.raises(ValueError, match=r"`BCQ_TF_ISA` must be one of .* BCQ_TF_ISA='sse9'"):
        native.core()


def run(code: str, **environment) -> subprocess.CompletedProcess:
    """A fresh process; the instruction set is chosen once in each."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("BCQ_TF_")} | environment
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("isa", ISAS)
def test_an_instruction_set_can_be_forced(isa):
    best = ISAS.index(native.status().isa)
    code = "from bcq_tf import native; print(native.status().isa, native.core() is not None)"
    done = run(code, BCQ_TF_ISA=isa)
    if ISAS.index(isa) <= best:
        assert done.stdout.split() == [isa, "True"], done.stderr
    else:
        assert done.stdout.split() == ["None", "False"]
        assert f"not with BCQ_TF_ISA={isa}" in done.stderr


def test_the_module_needs_the_standard_library_only():
    code = "import sys; from bcq_tf import native; native.core(); print('numpy' in sys.modules)"
    assert run(code).stdout.strip() == "False"
