"""Binary-code quantization for Keras."""

from bcq_tf.codes import BinaryCodes
from bcq_tf.config import BCQConfig, Rule
from bcq_tf.version import __version__

__all__ = ["BCQConfig", "BinaryCodes", "Rule", "__version__"]
