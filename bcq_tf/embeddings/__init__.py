"""Word embeddings: files of vectors, their compression, and what it costs.

Names are imported when first used; only those that make Keras models need TensorFlow.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
