"""Word embeddings: files of vectors, their compression, and what it costs.

Names are imported when first used; only those that make Keras models need TensorFlow.
"""

from bcq_tf.lazy_names import lazy_names

_HOME = {
    "AnalogyScore": "evaluation.analogies",
    "CompressedVectors": "compressed_vectors",
    "Distance": "evaluation.row_distance",
    "EmbeddingCompressor": "compositional.compressor",
    "Quality": "evaluation.quality",
    "SimilarityScore": "evaluation.similarity",
    "UnknownWordError": "word_table",
    "VectorFileError": "vector_files.vector_file",
    "WordVectors": "word_vectors",
    "additive_codes": "compositional.additive",
    "analogy_score": "evaluation.analogies",
    "compress": "compression",
    "distance": "evaluation.row_distance",
    "eigenspace_overlap": "evaluation.overlap",
    "measure_quality": "evaluation.quality",
    "neighbour_overlap": "evaluation.neighbours",
    "quantize_embed": "model_tables",
    "quantize_uniform": "uniform.quantization",
    "read_codes": "compositional.code_files",
    "read_vectors": "vector_files.vector_file",
    "similarity_scores": "evaluation.similarity",
    "write_codes": "compositional.code_files",
    "write_vectors": "vector_files.vector_file",
}

__all__ = list(_HOME)

__getattr__, __dir__ = lazy_names(__name__, _HOME)
