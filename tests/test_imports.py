"""Imports go one way: each folder of `bcq_tf` may import those before it in `FOLDERS`."""

import ast
import functools
import importlib
import inspect
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import pytest

import bcq_tf
from bcq_tf import embeddings
from tests import fresh

ROOT = Path(__file__).parent.parent
NUMPY = {"numpy"}
KERAS = {"keras", "numpy", "tensorflow"}
# The folders from the lowest to the highest, with the packages of others that each may import.
FOLDERS = {
    "codes": NUMPY,
    "solvers": NUMPY,
    "files": NUMPY | {"ml_dtypes"},
    "runtime": NUMPY,
    "reports": {"rich"},
    "embeddings": NUMPY | {"lazy_loader"},
    "_keras": KERAS,
    "selection": {"keras"},
    "ops": {"numpy", "tensorflow"},
    "layers": KERAS | {"ml_dtypes"},
    "models": KERAS | {"rich"},
    "training": KERAS | {"jax"},
    "export": KERAS | {"onnx", "tf2onnx"},
    "cli": KERAS | {"matplotlib", "rich"},
}
# The modules at the top, below all folders; and the files of a folder that need more than it.
TOP = {
    "bcq_tf": {"lazy_loader"},  # where there is one
    "bcq_tf.config": set(),
    "bcq_tf.shown": set(),
    "bcq_tf.native": set(),
    "bcq_tf.pool": set(),
    "bcq_tf._tensorflow": {"tensorflow"},
}
TRAINED_CODES = "autoencoder", "best_weights", "compressor"
MORE = {f"bcq_tf.embeddings.compositional.{name}": KERAS for name in TRAINED_CODES}
MORE["bcq_tf._keras.distribution"] = KERAS | {"jax"}
ENTRY = "bcq_tf.__main__"  # imports the highest folder
GENERATED = "_native", "__pycache__"


def modules() -> dict[str, Path]:
    """{dotted name: file} of everything in the package."""
    found = {}
    for path in sorted((ROOT / "bcq_tf").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


MODULES = modules()


def imports(source: str) -> set[str]:
    """Dotted names of all that a source file imports, at the top or in a function."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import on line {node.lineno}"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@functools.cache
def used_by(name: str) -> set[str]:
    """What a module of the package imports."""
    return imports(MODULES[name].read_text("utf-8"))


def folder(name: str) -> str | None:
    """The folder of a module or of a name in it, None for those at the top."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FOLDERS else None


def test_the_scan_sees_every_kind_of_import():
    source = "import a.b\nfrom c.d import e\nfrom bcq_tf import codes\ndef f():\n    import g"
    assert imports(source) == {"a.b", "c.d.e", "bcq_tf.codes", "g"}
    assert {"bcq_tf", "bcq_tf.config", "bcq_tf.selection.selection"} <= set(MODULES)


def test_every_folder_has_its_place():
    folders = {path.name for path in (ROOT / "bcq_tf").iterdir() if any(path.glob("*.py"))}
    assert folders == set(FOLDERS)
    assert {name for name in MODULES if folder(name) is None} == {*TOP, ENTRY}


def test_the_table_of_contributing_is_the_listing():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = text.split("| in `bcq_tf/` |")[1].split("\n\n")[0].splitlines()[2:]
    named = [name.rstrip("/") for row in rows for name in re.findall("`(.+?)`", row.split("|")[1])]
    kept = [path for path in (ROOT / "bcq_tf").iterdir() if path.name not in GENERATED]
    assert sorted(named) == sorted(path.name for path in kept)
    assert [name for name in named if name in FOLDERS] == list(FOLDERS)


def offenders(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """The modules that use what they may not."""
    return {name: wrong for name, wrong in found.items() if wrong}


def test_a_module_imports_from_its_own_folder_and_those_before_it():
    place = {None: -1} | {name: i for i, name in enumerate(FOLDERS)}
    found = {
        name: {i for i in used_by(name) if i.startswith("bcq_tf.")
               and place[folder(i)] > place[folder(name)]}
        for name in MODULES if name != ENTRY
    }  # fmt: skip
    assert offenders(found) == {}


def test_a_module_imports_only_the_packages_of_its_folder():
    found = {}
    for name in MODULES:
        if name != ENTRY:
            allowed = MORE.get(name, set()) | (FOLDERS[folder(name)] if folder(name) else TOP[name])
            outside = {i.split(".")[0] for i in used_by(name)} - sys.stdlib_module_names
            found[name] = outside - allowed - {"bcq_tf"}
    assert offenders(found) == {}


def test_private_names_stay_in_their_folder():
    found = {
        name: {i for i in used_by(name) if any(is_private(part) for part in i.split(".")[2:])
               and folder(i) != folder(name)}
        for name in MODULES
    }  # fmt: skip
    assert offenders(found) == {}


def is_private(part: str) -> bool:
    return re.fullmatch(r"_[A-Za-z]\w*", part) is not None


def test_one_folder_and_one_file_know_private_names_of_keras_and_tensorflow():
    found = {}
    for name in WITHOUT_KERAS:
        tensorflow = name == "bcq_tf._tensorflow"
        private = ("keras.src",) if tensorflow else ("keras.src", "tensorflow.python")
        found[name] = {i for i in used_by(name) if i.startswith(private)}
    assert offenders(found) == {}


# Private attributes: `_keras` owns those of Keras, all others belong to the file that defines them.

# What is foreign and has no public form, or only looks like a private name.
FOREIGN = {
    ("bcq_tf.cli.start", "_exit"),  # of os
    ("bcq_tf.export.onnx", "_get_optimizers"),  # of tf2onnx
    ("bcq_tf.export.onnx", "_half"),  # an ending of names in a graph
    ("bcq_tf.files.legacy_pickle", "_Unpickler"),  # of pickle
    ("bcq_tf.files.legacy_pickle", "_reconstruct"),  # of NumPy, in old files
    ("bcq_tf.native", "_native"),  # a folder
}
WITHOUT_KERAS = [n for n in MODULES if folder(n) != "_keras"]


def private_attributes(source: str) -> tuple[set[str], set[str], set[str]]:
    """(own, others, defined): the private attributes that a source file asks `self`, `cls` or
    `super()` for, those that it asks others for or names in strings, and those that it defines."""
    own, others, defined = set(), set(), set()
    tree = ast.parse(source)
    pieces = {part for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for part in n.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            mine = ast.unparse(node.value) in ("self", "cls", "super()")
            (own if mine else others).add(node.attr)
            if mine and isinstance(node.ctx, ast.Store):
                defined.add(node.attr)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in pieces:
            others.add(node.value)
    return tuple(set(filter(is_private, names)) for names in (own, others, defined))


@functools.cache
def all_private_attributes() -> dict[str, tuple[set[str], set[str], set[str]]]:
    """`private_attributes` of each module."""
    return {name: private_attributes(path.read_text("utf-8")) for name, path in MODULES.items()}


def test_the_scan_sees_private_attributes():
    source = """
class A(B):
    _at_class = 1
    def _method(self):
        self._stored = self._embeddings
        super()._of_base(getattr(x, "_named"), f"{x}_ending", "no _name", x.__doc__)
        return x._other._further"""
    assert private_attributes(source) == (
        {"_stored", "_embeddings", "_of_base"},
        {"_named", "_other", "_further"},
        {"_at_class", "_method", "_stored"},
    )


def test_a_private_attribute_is_used_in_the_file_that_defines_it():
    found = {}
    for name in WITHOUT_KERAS:
        _, others, defined = all_private_attributes()[name]
        found[name] = {attr for attr in others - defined if (name, attr) not in FOREIGN}
    assert offenders(found) == {}


def test_a_class_uses_private_attributes_of_classes_in_its_folder():
    in_folder = {}
    for name, (_, _, defined) in all_private_attributes().items():
        in_folder.setdefault(folder(name), set()).update(defined)
    found = {
        name: all_private_attributes()[name][0] - in_folder[folder(name)] for name in WITHOUT_KERAS
    }
    assert offenders(found) == {}


def keras_classes() -> list[type]:
    """The classes outside `_keras` that derive from one of Keras."""
    bases = {keras.layers.Layer, keras.callbacks.Callback}
    modules = [sys.modules.get(name) or importlib.import_module(name) for name in WITHOUT_KERAS
               if folder(name) in ("layers", "training", "embeddings")]  # fmt: skip
    found = {each for module in modules for each in vars(module).values() if isinstance(each, type)}
    return [cls for cls in found if cls.__module__.startswith("bcq_tf.") and {*cls.__mro__} & bases]


def test_classes_define_no_private_attributes_that_keras_has():
    classes = keras_classes()
    assert {"BCQDense", "BCQCallback", "CodeAutoencoder"} <= {cls.__name__ for cls in classes}
    for cls in classes:
        inherited = {name for base in cls.__mro__ if base.__module__.startswith("keras.")
                     for name in (*vars(base), *stored_by(base))}  # fmt: skip
        assert private_attributes(inspect.getsource(cls))[2] & inherited == set(), cls


@functools.cache
def stored_by(cls: type) -> set[str]:
    """The attributes that the methods of a class give `self`."""
    return private_attributes(textwrap.dedent(inspect.getsource(cls)))[2]


def test_the_example_model_does_not_know_the_library():
    for path in (ROOT / "transformer").glob("*.py"):
        assert not [i for i in imports(path.read_text("utf-8")) if i.startswith("bcq_tf")], path


def loaded_after(statement: str) -> set[str]:
    """Which of the heavy packages are loaded in a fresh process once it has run `statement`."""
    heavy = ("tensorflow", "keras", "jax", "torch")
    code = f"{statement}\nimport sys\nprint(*[m for m in {heavy} if m in sys.modules])"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_codes_solvers_and_files_need_no_tensorflow():
    without = ("codes", "solvers", "files", "reports")
    names = [name for name in MODULES if folder(name) in without]
    assert loaded_after(f"import bcq_tf.native, bcq_tf.cli.main, {', '.join(names)}") == set()


def test_names_are_imported_when_first_used():
    first = "import bcq_tf\nassert 'select' in dir(bcq_tf)\nbcq_tf.BinaryCodes"
    assert loaded_after(first) == set()


def test_public_modules_are_there_after_the_package_alone():
    # A fresh process, in which nothing else has imported them.
    statement = """
import bcq_tf
assert {'native', 'layers'} <= set(dir(bcq_tf))
assert bcq_tf.native.status().libraries
bcq_tf.embeddings.WordVectors"""
    assert loaded_after(statement) == set()
    computing = "import bcq_tf\nbcq_tf.ops.bcq_matmul, bcq_tf.layers.BCQDense\n"
    done = fresh.run(computing + "from bcq_tf import select")
    assert done.returncode == 0, done.stderr


def test_every_public_name_exists():
    assert [name for name in bcq_tf.__all__ if getattr(bcq_tf, name, None) is None] == []


def test_every_public_name_of_embeddings_is_what_it_says():
    names = embeddings.__all__
    assert [name for name in names if not callable(getattr(embeddings, name, None))] == []


def test_word_vectors_need_no_tensorflow():
    names = "CompressedVectors additive_codes compress measure_quality quantize_uniform read_codes"
    imported = ", ".join([*names.split(), "read_vectors", "write_vectors"])
    assert loaded_after(f"from bcq_tf.embeddings import {imported}") == set()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="No bcq_tf attribute nothing"):
        _ = bcq_tf.nothing
