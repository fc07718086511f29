"""Quantization inside `model.fit`, and of a whole model at once."""
