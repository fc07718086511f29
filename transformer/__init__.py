"""A translation transformer in Keras: the example that shows bcq_tf at work.

The package is a plain Keras model with its data, training and decoding. It knows nothing about
quantization: `quantize.py` at the top brings the two together.
"""
