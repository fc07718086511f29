"""What a model is made of, and where in it each part stands."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator

import keras
from keras.src.models.functional import Functional
from keras.src.saving.keras_saveable import KerasSaveable
from keras.src.utils.naming import to_snake_case

from bcq_tf._keras.class_swap import float_class

# Layers in these modules assign variables and do no more.
_PLAIN = ("keras.src.layers.core.", "keras.src.layers.convolutional.", "bcq_tf.layers.")


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


def own_variables(layer: keras.layers.Layer) -> list:
    """The variables that `layer` tracks itself; layers inside it may hold some of them too."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def layers_by_path(model) -> dict[str, keras.layers.Layer]:
    """`model`, as "", and every layer inside it once, by the attributes that lead there.

    Keras finds weights in files in this way. Unlike the order in which layers were made, paths are
    the same in a model that is made from the config, whatever was done to this one since. Layers of
    functional and sequential models are found by the name that they were given, or by their index,
    as in "/layers/#2", where Keras named them with a number.
    """
    inside = {id(layer) for layer in walk_layers(model)}
    return _by_path(model, lambda value: id(value) in inside)


def holders_by_path(model) -> dict[str, keras.layers.Layer]:
    """As `layers_by_path`, with the layers that the model does not track but Keras saves with it,
    such as the tokenizer of a KerasHub task."""
    return _by_path(model, lambda value: isinstance(value, keras.layers.Layer))


def weight_places(model) -> list[str]:
    """Where each of `model.weights` stands: the path of its layer, and the attribute there."""
    places = {}
    for path, layer in layers_by_path(model).items():
        for index, variable in enumerate(own_variables(layer)):
            place = f"{path}/{_attribute(layer, variable) or f'#{index}'}"
            places.setdefault(id(variable), place)
    # A layer that a class keeps out of its attributes has no path.
    return [places.get(id(v), f"#{i}") for i, v in enumerate(model.weights)]


def overrides(layer, method: str) -> bool:
    """Whether a layer saves or loads more than its variables, as far as its class tells.

    method: "save_own_variables" or "load_own_variables".
    """
    function = getattr(type(layer), method)
    inherited = function is getattr(keras.layers.Layer, method)
    return not inherited and not function.__module__.startswith(_PLAIN)


def _by_path(model, belongs: Callable) -> dict:
    found, seen = {}, {}  # by id, which another object may take when one is gone

    def visit(value, path: str):
        if not isinstance(value, (KerasSaveable, list, tuple, dict)) or id(value) in seen:
            return
        seen[id(value)] = value
        if isinstance(value, KerasSaveable):
            if not belongs(value):
                return
            found[path] = value
            value = _attributes(value)
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for name, child in list(pairs):
            visit(child, f"{path}/{name}")

    visit(model, "")
    return found


def _attributes(layer) -> dict:
    # Those that may lead on, the layers of a graph first, as Keras saves them.
    own = _own_attributes(layer)
    if not isinstance(layer, (Functional, keras.Sequential)):
        return own
    layers = {
        f"#{i}" if _is_numbered(inside) else inside.name: inside
        for i, inside in enumerate(layer.layers)
    }
    return {"layers": layers} | own


def _is_numbered(layer) -> bool:
    # Whether Keras gave the layer its name: that of its class, with a number.
    name = to_snake_case(float_class(layer).__name__)
    return re.fullmatch(rf"{re.escape(name)}(_\d+)?", layer.name) is not None


def _attribute(layer, variable) -> str | None:
    # The attribute, or the place in a list or dict that is one, where the layer holds the variable.
    for name, value in _own_attributes(layer).items():
        if value is variable:
            return name
        if isinstance(value, (list, tuple, dict)):
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                if item is variable:
                    return f"{name}/{key}"
    return None


def _own_attributes(layer) -> dict:
    # Without what Keras and TensorFlow have in every layer, such as lists in order of making.
    attributes = vars(layer)
    return {
        name: attributes[name]
        for name in sorted(attributes.keys() - _common_attributes())
        if not name.startswith("_self_unconditional")
    }


@functools.cache
def _common_attributes() -> frozenset[str]:
    return frozenset(vars(keras.layers.Layer(name="any")))
