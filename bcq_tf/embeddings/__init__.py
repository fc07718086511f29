"""Word embeddings: files of vectors, their compression, and what it costs.

Names are imported when first used; only those that make Keras models need TensorFlow.
"""

import importlib

_HOME = {
    "UnknownWordError": "word_table",
    "VectorFileError": "vector_file",
    "WordVectors": "word_vectors",
    "quantize_embed": "quantize_embed",
    "quantize_uniform": "uniform",
    "read_vectors": "vector_file",
    "write_vectors": "vector_file",
}

__all__ = list(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
