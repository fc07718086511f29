"""Which weights of a model are quantized, and how each is seen as a matrix."""
