"""Imports go one way only: each module may import what its line says, and the standard library.

A new module gets a line here.
"""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import bcq_tf
from bcq_tf import embeddings

ROOT = Path(__file__).parent.parent
# Small values that any module may use.
BASE = "config coded_matrix codes uniform_codes compositional_codes shown version"

MAY_IMPORT = {
    "bcq_tf": "lazy_names version",
    "bcq_tf.lazy_names": "",
    "bcq_tf.version": "",
    "bcq_tf.config": "shown",
    "bcq_tf.shown": "",
    "bcq_tf.packing": "numpy",
    "bcq_tf.coded_matrix": "numpy",
    "bcq_tf.codes": "numpy packing coded_matrix config",
    "bcq_tf.uniform_codes": "numpy packing coded_matrix config",
    "bcq_tf.compositional_codes": "numpy packing coded_matrix",
    "bcq_tf.matrix_view": "numpy shown",
    "bcq_tf.native": "version",
    "bcq_tf.solvers": f"{BASE} numpy packing native",
    "bcq_tf.ops": f"{BASE} numpy packing native tensorflow",
    "bcq_tf.output_path": "",
    "bcq_tf.progress": "rich",
    "bcq_tf.leftovers": "",
    "bcq_tf.atomic": "leftovers output_path",
    "bcq_tf.strict_json": "",
    "bcq_tf.container": "numpy ml_dtypes shown strict_json",
    "bcq_tf.stored_values": f"{BASE} numpy container",
    "bcq_tf.file": "numpy atomic output_path container shown stored_values strict_json",
    "bcq_tf.legacy_pickle": "numpy container shown",
    "bcq_tf.legacy_file": f"{BASE} numpy packing container legacy_pickle",
    "bcq_tf.model_table": f"{BASE} numpy file matrix_view",
    "bcq_tf.tables": "rich",
    "bcq_tf.report": f"{BASE} file model_table tables rich",
    "bcq_tf.checkpoints": "atomic config file",
    "bcq_tf.rating": "",
    "bcq_tf._keras": "keras numpy tensorflow",
    "bcq_tf._keras_hub": "",
    "bcq_tf.layer_views": "keras _keras _keras_hub matrix_view",
    "bcq_tf.selection": f"{BASE} keras _keras layer_views matrix_view",
    "bcq_tf.schedule": "config selection",
    "bcq_tf.neighbours": "keras _keras",
    "bcq_tf.model_match": "_keras model_table shown",
    "bcq_tf.model_state": "numpy _keras container model_table shown",
    "bcq_tf.model_contents": "numpy _keras file model_match model_state model_table",
    "bcq_tf.quantizer": f"{BASE} keras _keras numpy selection solvers file layer_views model_match "
    "model_state model_table progress report",
    "bcq_tf.fit_order": "keras _keras",
    "bcq_tf.backups": "keras _keras atomic file",
    "bcq_tf.shown_weights": "_keras numpy quantizer selection",
    "bcq_tf.resuming": f"{BASE} _keras backups checkpoints file model_contents model_table "
    "quantizer rating",
    "bcq_tf.best_epoch": "_keras quantizer rating resuming",
    "bcq_tf.layers": f"{BASE} keras _keras numpy ml_dtypes tensorflow matrix_view native ops "
    "packing",
    "bcq_tf.layers.table_codes": f"{BASE} numpy embeddings layers matrix_view ops solvers",
    "bcq_tf.layers.quant_embedding": f"{BASE} keras numpy embeddings file layers matrix_view",
    "bcq_tf.embeddings": f"{BASE} lazy_names numpy packing solvers atomic file progress rich "
    "uniform_codes compositional_codes",
    "bcq_tf.embeddings.compositional.code_files": f"{BASE} numpy atomic container embeddings file",
    "bcq_tf.embeddings.compositional.autoencoder": "keras",
    "bcq_tf.embeddings.compositional.best_weights": f"{BASE} keras numpy embeddings file",
    "bcq_tf.embeddings.compositional.compressor": f"{BASE} keras numpy tensorflow embeddings file "
    "output_path solvers",
    "bcq_tf.embeddings.compositional.gumbel": f"{BASE} keras numpy embeddings solvers",
    "bcq_tf.embeddings.model_tables": "keras _keras layer_views layers model_packing pack_report "
    "selection",
    "bcq_tf.export": "keras _keras numpy tensorflow onnx tf2onnx atomic output_path native "
    "ops layers",
    "bcq_tf.pack_report": "keras _keras layers tables rich",
    "bcq_tf.model_packing": f"{BASE} keras _keras file layers layer_views matrix_view "
    "model_contents model_match model_table ops pack_report selection",
    "bcq_tf.conversion": "keras _keras file model_contents model_packing",
    "bcq_tf.optimizers": "keras _keras",
    "bcq_tf.validation": "_keras",
    "bcq_tf.trained_weights": f"{BASE} latent quantizer selection shown_weights solvers",
    "bcq_tf.latent": f"{BASE} keras numpy selection",
    "bcq_tf.latent.on_tensorflow": f"{BASE} keras _keras numpy tensorflow latent optimizers "
    "selection",
    "bcq_tf.latent.on_jax": f"{BASE} keras numpy jax latent selection",
    "bcq_tf.callback": f"{BASE} keras _keras numpy backups best_epoch checkpoints conversion "
    "fit_order latent neighbours optimizers quantizer rating report resuming schedule selection "
    "shown_weights trained_weights validation",
    "bcq_tf.cli": f"bcq_tf {BASE} keras _keras numpy tensorflow rich atomic output_path "
    "container file layers legacy_file model_match model_table native ops pack_report report "
    "solvers start strict_json tables embeddings packing",
    "bcq_tf.cli.embed.picture": "matplotlib atomic",
    "bcq_tf.start": "",
    "bcq_tf.__main__": "cli start",
    "transformer": "transformer keras keras_hub numpy tensorflow tensorflow_text "
    "tensorflow_datasets sentencepiece sacrebleu rich",
}
WITHOUT_TENSORFLOW = (
    "config",
    "packing",
    "coded_matrix",
    "codes",
    "uniform_codes",
    "compositional_codes",
    "matrix_view",
    "native",
    "solvers",
    "file",
    "legacy_file",
    "report",
    "cli",
)


def owner(name: str) -> str:
    """The line of the table that a module stands under: its own, or that of its package."""
    parts = name.split(".")
    while len(parts) > 1 and ".".join(parts) not in MAY_IMPORT:
        parts.pop()
    return ".".join(parts)


def modules() -> dict[str, Path]:
    """{dotted name: file} of everything in the two packages."""
    found = {}
    for package in ("bcq_tf", "transformer"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imports(source: str) -> set[str]:
    """Dotted names of every module that a source file imports, at the top or in a function."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import on line {node.lineno}"
            # `from bcq_tf import packing` imports bcq_tf.packing.
            is_package = node.module in ("bcq_tf", "transformer")
            names |= (
                {f"{node.module}.{alias.name}" for alias in node.names}
                if is_package
                else {node.module}
            )
    return names


def label(imported: str) -> str:
    """How the table names an imported module: "packing", "solvers", "numpy", "transformer"."""
    if imported.startswith("bcq_tf."):
        return imported.split(".")[1]
    return imported.split(".")[0]


MODULES = modules()


def test_the_scan_sees_every_kind_of_import():
    source = "import a.b\nfrom c.d import e\nfrom bcq_tf import codes\ndef f():\n    import g"
    assert imports(source) == {"a.b", "c.d", "bcq_tf.codes", "g"}
    assert {"bcq_tf", "bcq_tf.codes", "bcq_tf.selection"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_module_imports_only_what_the_table_allows(name):
    line = owner(name)
    assert name == "bcq_tf" or line != "bcq_tf", f"{name} has no line in MAY_IMPORT"
    inside = line.split(".")[-1]
    allowed = {*MAY_IMPORT[line].split(), inside}
    used = {label(imported) for imported in imports(MODULES[name].read_text("utf-8"))}
    assert used - sys.stdlib_module_names <= allowed


@pytest.mark.parametrize("name", [n for n in MODULES if not n.startswith("bcq_tf._keras")])
def test_only_one_folder_uses_private_keras_modules(name):
    private = [i for i in imports(MODULES[name].read_text("utf-8")) if i.startswith("keras.src")]
    assert not private


def loaded_after(statement: str) -> set[str]:
    """Which of the heavy packages are loaded in a fresh process once it has run `statement`."""
    heavy = ("tensorflow", "keras", "jax", "torch")
    code = f"{statement}\nimport sys\nprint(*[m for m in {heavy} if m in sys.modules])"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_codes_solvers_and_files_need_no_tensorflow():
    present = [name for name in WITHOUT_TENSORFLOW if f"bcq_tf.{name}" in MODULES]
    statement = f"import bcq_tf, {', '.join(f'bcq_tf.{name}' for name in present)}"
    assert loaded_after(statement) == set()


def test_names_are_imported_when_first_used():
    assert (
        loaded_after("import bcq_tf\nassert 'select' in dir(bcq_tf)\nbcq_tf.BinaryCodes") == set()
    )
    assert "keras" in loaded_after("from bcq_tf import select")


def test_public_modules_are_there_after_the_package_alone():
    # A fresh process, in which nothing else has imported them.
    statement = """
import bcq_tf
assert {'native', 'layers'} <= set(dir(bcq_tf))
assert bcq_tf.native.status().libraries
bcq_tf.embeddings.WordVectors"""
    assert loaded_after(statement) == set()
    assert "tensorflow" in loaded_after(
        "import bcq_tf\nbcq_tf.ops.bcq_matmul, bcq_tf.layers.BCQDense"
    )


@pytest.mark.parametrize("name", bcq_tf.__all__)
def test_every_public_name_exists(name):
    assert getattr(bcq_tf, name) is not None


@pytest.mark.parametrize("name", embeddings.__all__)
def test_every_public_name_of_embeddings_is_what_it_says(name):
    value = getattr(embeddings, name)
    # A module of the same name would take its place once it is imported.
    importlib.import_module(f"bcq_tf.embeddings.{embeddings._HOME[name]}")
    assert callable(value)
    assert getattr(embeddings, name) is value


def test_word_vectors_need_no_tensorflow():
    names = "CompressedVectors additive_codes compress measure_quality quantize_uniform read_codes"
    imported = ", ".join([*names.split(), "read_vectors", "write_vectors"])
    assert loaded_after(f"from bcq_tf.embeddings import {imported}") == set()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'bcq_tf' has no attribute 'nothing'"):
        _ = bcq_tf.nothing
