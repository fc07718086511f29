"""The compiled core: found, checked, loaded. The library works without it, more slowly.

Environment variables, read when a library is first wanted:

- `BCQ_TF_NATIVE`: "auto" (the default) uses the compiled libraries where they can be used and warns
  once where they cannot; "0" never uses them; "require" makes it an error that they cannot be used.
- `BCQ_TF_ISA`: the instruction set of the core, "portable", "avx2", "avx512" or "amx", on ARM
  "portable", "neon" or "dotprod"; by default the best that the processor has.

`print(bcq_tf.native.status())` tells what is used, and why not if not.
"""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import importlib.metadata
import os
import re
import struct
import sys
import warnings
from pathlib import Path

from bcq_tf import __version__

FOLDER = Path(__file__).parent / "_native"
CORE, TF_OPS, XLA, LITERT = "bcq_core", "bcq_tf_ops", "bcq_xla", "bcq_litert"
CUDA, TF_GPU = "bcq_cuda", "bcq_tf_gpu"
OPTIONAL = (XLA, LITERT, CUDA, TF_GPU)  # that one of these was not built is no cause for a warning
MODES = ("auto", "0", "require")
REMEDY = (
    "Compile it with `make native` in the source tree, or reinstall bcq_tf where there is a C++ "
    "compiler; BCQ_TF_NATIVE=0 does without"
)
# What native/build_mark.cc leaves in each file.
_MARK = re.compile(rb"bcq_tf build: version=(\S+) tensorflow=(\S+) end")
_TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-aarch64", "tensorflow-intel")


class NativeLibraryError(ImportError):
    """A compiled library cannot be used."""


@functools.cache
def core() -> ctypes.CDLL | None:
    """The core, whose functions the headers in native/core declare; None: do without.

    Raises:
        NativeLibraryError: it cannot be used, and BCQ_TF_NATIVE is "require".
        ValueError: an environment variable breaks its rule.
    """
    if mode() == "0":
        return None
    try:
        return _load_core()
    except NativeLibraryError as error:
        refuse(error)
        return None


def supports_xla() -> bool:
    """Whether XLA can compile what computes with our ops: it knows the compiled ones, or the plain
    TensorFlow ones are used."""
    return library(XLA) is not None or library(TF_OPS) is None


@functools.cache
def library(name: str) -> Path | None:
    """The path of a library beside the core, such as `TF_OPS`; None: do without.

    Raises:
        NativeLibraryError: it cannot be used, and BCQ_TF_NATIVE is "require".
    """
    path = _path(name)
    if core() is None or (name in OPTIONAL and not path.exists()):
        return None
    try:
        check(path)
    except NativeLibraryError as error:
        refuse(error)
        return None
    return path


def litert_library() -> str:
    """The path of the library that runs models of `export_tflite(..., kernels="bcq")`.

    It is a delegate of LiteRT, and needs no TensorFlow: it may be copied, with the library
    `bcq_core` beside it, to where the model runs.

    Raises:
        NativeLibraryError: it is not compiled, or not to be used.

    Example:
        >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32)])
        >>> report = bcq_tf.pack_model(model, bcq_tf.quantize_model(model, bits=2).codes)
        >>> bcq_tf.export_tflite(model, "model.tflite", kernels="bcq")
        >>> delegate = tf.lite.experimental.load_delegate(bcq_tf.native.litert_library())
        >>> interpreter = tf.lite.Interpreter("model.tflite", experimental_delegates=[delegate])
        >>> interpreter.get_signature_list()["serving_default"]["outputs"]
        ['output_0']
    """
    if mode() == "0":
        raise NativeLibraryError("`litert_library` needs BCQ_TF_NATIVE not to be 0")
    path = _path(LITERT)
    check(path)
    return str(path)


def forget() -> None:
    """Makes the libraries be looked for anew when they are wanted next.

    So a changed environment variable or a library that was just built takes effect, in code that
    has not used the old ones yet.
    """
    core.cache_clear()
    library.cache_clear()


def refuse(error: NativeLibraryError) -> None:
    """Warns that a library is not used, and why; raises `error` where it is required."""
    if mode() == "require":
        raise error
    warnings.warn(f"{error}. Slower code stands in for it", RuntimeWarning, stacklevel=3)


def mode() -> str:
    """What BCQ_TF_NATIVE says: one of `MODES`."""
    value = os.environ.get("BCQ_TF_NATIVE", "auto")
    if value not in MODES:
        raise ValueError(
            f"`BCQ_TF_NATIVE` must be one of {list(MODES)}. Received: BCQ_TF_NATIVE={value!r}"
        )
    return value


def check(path: Path) -> None:
    """Raises `NativeLibraryError` unless a file is a library that can be loaded here.

    Loading one that is cut short or linked for another TensorFlow can end the process, so the file
    is read first.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise _unusable(path, "is missing") from None
    except OSError as error:
        raise _unusable(path, f"cannot be read ({error.strerror})") from None
    if sys.platform.startswith("linux"):
        _check_elf(path, content)
    version, tensorflow = _mark(path, content)
    if version != __version__:
        raise _unusable(path, f"is of bcq_tf {version}, this is bcq_tf {__version__}")
    installed = _installed_tensorflow()
    if tensorflow != "none" and _minor(tensorflow) != _minor(installed):
        raise _unusable(path, f"is for TensorFlow {tensorflow}, installed is {installed}")


@dataclasses.dataclass(frozen=True)
class Status:
    """What is used, as text.

    Args:
        mode: one of `MODES`.
        isa: the instruction set of the core, or None where it is not used.
        libraries: for each library what it is for, or why it is not used.
    """

    mode: str
    isa: str | None
    libraries: dict[str, str]

    def __str__(self) -> str:
        lines = [f"bcq_tf {__version__}, BCQ_TF_NATIVE={self.mode}"]
        lines += [f"{name:<11} {text}" for name, text in self.libraries.items()]
        return "\n".join(lines)


def status() -> Status:
    """What is used, which instruction set, built for which TensorFlow, and why not if not."""
    if mode() == "0":
        return Status("0", None, {CORE: "not used: BCQ_TF_NATIVE=0"})
    isa, texts = None, {}
    try:
        isa = isa_of(_load_core())
        texts[CORE] = f"used, {isa}"
        for name in (TF_OPS, XLA, LITERT, CUDA, TF_GPU):
            texts[name] = _describe(name)
    except NativeLibraryError as error:
        texts[CORE] = f"not used: {error}"
    return Status(mode(), isa, texts)


def _describe(name: str) -> str:
    path = _path(name)
    if name in OPTIONAL and not path.exists():
        return "not built"
    try:
        check(path)
    except NativeLibraryError as error:
        return f"not used: {error}"
    tensorflow = _mark(path, path.read_bytes())[1]
    return "usable" if tensorflow == "none" else f"usable, built for TensorFlow {tensorflow}"


def _load_core() -> ctypes.CDLL:
    path = _path(CORE)
    check(path)
    try:
        library = ctypes.CDLL(str(path))
        isa, isas = isa_of(library), isas_of(library)
    except (OSError, AttributeError) as error:
        raise _unusable(path, f"cannot be loaded ({error})") from None
    wanted = os.environ.get("BCQ_TF_ISA", isa)
    if wanted not in isas:
        raise ValueError(f"`BCQ_TF_ISA` must be one of {isas}. Received: BCQ_TF_ISA={wanted!r}")
    if wanted != isa:
        raise _unusable(path, f"runs with {isa} here, not with BCQ_TF_ISA={wanted}")
    return library


def isa_of(core: ctypes.CDLL) -> str:
    """The instruction set that a core runs with here."""
    core.bcq_instruction_set.restype = ctypes.c_char_p
    return core.bcq_instruction_set().decode()


def isas_of(core: ctypes.CDLL) -> list[str]:
    """Those that it was compiled for, from the least to the best."""
    core.bcq_instruction_sets.restype = ctypes.c_char_p
    return core.bcq_instruction_sets().decode().split()


def _path(name: str) -> Path:
    return FOLDER / f"lib{name}.so"


def _unusable(path: Path, problem: str) -> NativeLibraryError:
    return NativeLibraryError(f"The compiled library {path} {problem}. {REMEDY}")


def _mark(path: Path, content: bytes) -> tuple[str, str]:
    # (version of bcq_tf, version of TensorFlow or "none").
    found = _MARK.search(content)
    if found is None:
        raise _unusable(path, "is not a library of bcq_tf")
    return found[1].decode(errors="replace"), found[2].decode(errors="replace")


def _check_elf(path: Path, content: bytes) -> None:
    # Magic, class and byte order, and the machine must be those of this process.
    with open("/proc/self/exe", "rb") as file:
        own = file.read(20)
    if content[:4] != own[:4]:
        raise _unusable(path, "is not a library")
    if (content[4:6], content[18:20]) != (own[4:6], own[18:20]):
        raise _unusable(path, "is for another kind of machine")
    try:
        end = _elf_end(content)
    except struct.error:
        end = sys.maxsize
    if end > len(content):
        raise _unusable(path, "is cut short")


def _elf_end(content: bytes) -> int:
    # Where the last part that will be mapped ends, from the program headers of a 64-bit ELF file.
    (table,) = struct.unpack_from("=Q", content, 32)
    size, count = struct.unpack_from("=HH", content, 54)
    headers = [struct.unpack_from("=8xQ16xQ", content, table + size * i) for i in range(count)]
    return max((begin + length for begin, length in headers), default=sys.maxsize)


def _installed_tensorflow() -> str:
    loaded = getattr(sys.modules.get("tensorflow"), "__version__", None)
    if loaded:
        return loaded
    for name in _TENSORFLOWS:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return "none"


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
