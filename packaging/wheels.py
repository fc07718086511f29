"""Builds the wheels of bcq_tf and of bcq-runtime, and tries each in an environment of its own.

    python packaging/wheels.py --output dist

Both are built by pip in isolation, for any Python 3. `auditwheel` tells how old a system may be and
puts that into the name. bcq-runtime is what of this tree needs NumPy alone; the two have files in
common, so an environment has one of them.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "bcq_tf"
OF_RUNTIME = (
    *("__init__.py", "__init__.pyi", "py.typed", "config.py", "shown.py", "native.py", "pool.py"),
    *("codes", "files", "runtime"),
)
NATIVE = "CMakeLists.txt", "build_mark.cc", "core", "litert", "runtime"

LIBRARY = """
import numpy as np, keras, bcq_tf
x = keras.Input((64,))
model = keras.Model(x, keras.layers.Dense(96)(x))
bcq_tf.quantize_model(model, bits=2, effort="low", filepath="model.bcq.npy", verbose=False)
packed = bcq_tf.load_model("model.bcq.npy")
ones = np.ones((1, 64), "float32")
bcq_tf.export_runtime(packed, "run.bcq.npy")
np.save("expected.npy", packed(ones))
bcq_tf.export_tflite(packed, "run.tflite", kernels="bcq")
assert bcq_tf.native.core() is not None
print(bcq_tf.native.status())
"""
RUNTIME = """
import sys, numpy as np
from bcq_tf import native, runtime
answers = runtime.load("run.bcq.npy")(np.ones((1, 64), "float32"))
np.testing.assert_allclose(answers, np.load("expected.npy"), atol=1e-5)
assert not {"tensorflow", "keras"} & set(sys.modules)
from ai_edge_litert.interpreter import Interpreter, load_delegate
delegate = load_delegate(native.litert_library())
interpreter = Interpreter("run.tflite", experimental_delegates=[delegate])
(found,) = interpreter.get_signature_runner()(**{name: np.ones((1, 64), "float32") for name in
    interpreter.get_signature_list()["serving_default"]["inputs"]}).values()
np.testing.assert_allclose(found, answers, atol=1e-5)
assert native.core() is not None
print(native.status())
"""


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder (%(default)s)")
    output = parser.parse_args().output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        runtime = wheel_of(staged_runtime(Path(folder, "source")), output)
        library = wheel_of(ROOT, output)
        work = Path(folder, "work")
        work.mkdir()
        smoke_test(library, LIBRARY, work)  # writes what the runtime's reads
        smoke_test(runtime, RUNTIME, work, "ai-edge-litert")
    for wheel in (library, runtime):
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB")


def staged_runtime(folder: Path) -> Path:
    """A source tree of bcq-runtime."""
    ignored = shutil.ignore_patterns("__pycache__")
    for part in OF_RUNTIME:
        copy(ROOT / PACKAGE / part, folder / PACKAGE / part, ignored)
    for part in NATIVE:
        copy(ROOT / "native" / part, folder / "native" / part, ignored)
    copy(ROOT / "LICENSE", folder / "LICENSE", ignored)
    copy(ROOT / "docs" / "runtime.md", folder / "README.md", ignored)
    copy(ROOT / "packaging" / "runtime" / "pyproject.toml", folder / "pyproject.toml", ignored)
    return folder


def copy(source: Path, target: Path, ignored) -> None:
    """A file or folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=ignored)
    else:
        shutil.copy2(source, target)


def wheel_of(source: Path, output: Path) -> Path:
    """The wheel of a source tree, named for the oldest systems that run it."""
    with tempfile.TemporaryDirectory() as made:
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", made, source)
        (wheel,) = Path(made).glob("*.whl")
        return named_for_systems(wheel, output)


def named_for_systems(wheel: Path, output: Path) -> Path:
    """Copies a wheel under the name that auditwheel gives it, or its own where that is not one."""
    # TensorFlow's libraries are found in the process, not in the wheel.
    repair = [sys.executable, "-m", "auditwheel", "repair", "--exclude", "libtensorflow*"]
    tools = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with tempfile.TemporaryDirectory() as made:
        command = [*repair, "-w", made, wheel]
        done = subprocess.run(command, capture_output=True, text=True, env=tools)
        named = next(Path(made).glob("*.whl"), None)
        if named is None:
            reason = (done.stderr.strip().splitlines() or ["auditwheel does not say why"])[-1]
            print(f"{wheel.name} keeps its name: {reason}")
        return Path(shutil.copy2(named or wheel, output))


def smoke_test(wheel: Path, code: str, folder: Path, *others: str) -> None:
    """Installs a wheel in a fresh environment, and other packages, and runs code there, outside of
    this tree."""
    with tempfile.TemporaryDirectory() as environment:
        venv.create(environment, with_pip=True)
        python = Path(environment, "bin", "python")
        run(python, "-m", "pip", "install", "--quiet", wheel, *others)
        print(f"{wheel.name}, in a fresh environment:", flush=True)
        run(python, "-c", code, cwd=folder)


def run(*command, **settings) -> None:
    """Runs a command; ends with its exit status where it fails."""
    done = subprocess.run(list(map(str, command)), **settings)
    if done.returncode:
        sys.exit(f"error: {' '.join(map(str, command[:6]))} ... ended with {done.returncode}")


if __name__ == "__main__":
    main()
