"""Binary-code quantization for Keras.

Names are imported when first used, so that codes and files need no TensorFlow; `__init__.pyi` lists
them, for this module and for editors and type checkers.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
