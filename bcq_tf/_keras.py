"""The private Keras names that the library needs, in one place."""

from __future__ import annotations

from collections.abc import Iterator

import keras


def walk_layers(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yields `layer` and every layer inside it once, in the order of `layer.weights`."""
    seen = set()

    def walk(node):
        if id(node) in seen:
            return
        seen.add(id(node))
        yield node
        for child in sublayers(node):
            yield from walk(child)

    return walk(layer)


def sublayers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers directly inside `layer`, in the order of `layer.weights`."""
    return layer._flatten_layers(include_self=False, recursive=False)
