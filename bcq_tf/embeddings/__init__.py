"""Word embeddings: files of vectors, their compression, and what it costs.

Names are imported when first used; only those that make Keras models need TensorFlow.
"""

import importlib

_HOME = {
    "AnalogyScore": "analogies",
    "CompressedVectors": "compressed_vectors",
    "Distance": "row_distance",
    "EmbeddingCompressor": "compressor",
    "Quality": "quality",
    "SimilarityScore": "similarity",
    "UnknownWordError": "word_table",
    "VectorFileError": "vector_file",
    "WordVectors": "word_vectors",
    "additive_codes": "additive",
    "analogy_score": "analogies",
    "compress": "compression",
    "distance": "row_distance",
    "eigenspace_overlap": "overlap",
    "measure_quality": "quality",
    "neighbour_overlap": "neighbours",
    "quantize_embed": "model_tables",
    "quantize_uniform": "uniform",
    "read_codes": "code_files",
    "read_vectors": "vector_file",
    "similarity_scores": "similarity",
    "write_codes": "code_files",
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
