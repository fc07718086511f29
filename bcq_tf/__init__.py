"""Binary-code quantization for Keras.

Names are imported when first used, so that codes and files need no TensorFlow; `__init__.pyi` lists
them, for this module and for editors and type checkers.
"""

__version__ = "0.1.0"

try:
    import lazy_loader
except ImportError:  # the runtime alone, which is modules, as `from bcq_tf import runtime`

    def __getattr__(name: str):
        raise AttributeError(f"`bcq_tf.{name}` is not part of bcq-runtime: pip install bcq_tf")
else:
    __getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
