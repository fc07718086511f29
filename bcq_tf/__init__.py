"""Binary-code quantization for Keras.

Names are imported when first used, so that codes and files need no TensorFlow.
"""

from bcq_tf.lazy_names import lazy_names
from bcq_tf.version import __version__

_HOME = {
    "BCQCallback": "callback",
    "BCQConfig": "config",
    "BinaryCodes": "codes",
    "CompositionalCodes": "compositional_codes",
    "FileFormatError": "file",
    "MatrixView": "matrix_view",
    "PackReport": "pack_report",
    "Plan": "selection",
    "Report": "report",
    "Rule": "config",
    "UniformCodes": "uniform_codes",
    "export_onnx": "export.onnx",
    "export_saved_model": "export.saved_model",
    "export_tflite": "export.tflite",
    "load_model": "conversion",
    "load_saved_model": "export.saved_model",
    "load_weights": "conversion",
    "pack_model": "model_packing",
    "quantize": "solvers",
    "quantize_model": "quantizer",
    "read": "file",
    "read_legacy": "legacy_file",
    "save": "file",
    "select": "selection",
    "unpack_model": "model_packing",
}

__all__ = [*_HOME, "__version__"]

__getattr__, __dir__ = lazy_names(__name__, _HOME, ("embeddings", "layers", "native", "ops"))
