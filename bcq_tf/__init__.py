"""Binary-code quantization for Keras."""

from bcq_tf.codes import BinaryCodes
from bcq_tf.config import BCQConfig, Rule
from bcq_tf.file import FileFormatError, read, save
from bcq_tf.legacy_file import read_legacy
from bcq_tf.version import __version__

__all__ = [
    "BCQConfig",
    "BinaryCodes",
    "FileFormatError",
    "Rule",
    "__version__",
    "read",
    "read_legacy",
    "save",
]
