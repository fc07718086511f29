"""Layers and models whose class is swapped for a packed one in place, and back."""

from __future__ import annotations

import contextlib
import functools

from bcq_tf._keras.models import register_name


def packed_subclass(bases: tuple[type, ...], float_class: type, name: str) -> type:
    """A class of `bases` that stands before a float one; Keras writes `name` for it into files."""
    made = type(
        f"Packed{float_class.__name__}", (*bases, float_class), {"_float_class": float_class}
    )
    register_name(made, name)
    return made


def float_class(layer) -> type:
    """The float class of a layer, of a model or of a class that `packed_subclass` made; for others
    the class of the layer."""
    return getattr(layer, "_float_class", type(layer))


@functools.cache
def changes_methods(cls: type, base: type) -> bool:
    """Whether a float class overrides a method of `base`, other than those of its config.

    base: a Keras class, which it is or inherits from.
    """
    between = cls.__mro__[: cls.__mro__.index(base)]
    own = {
        name for parent in between if not _is_ours(parent) for name in vars(parent)
    } - {"get_config", "from_config"}  # fmt: skip
    return any(callable(getattr(base, name, None)) for name in own if not name.startswith("__"))


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "bcq_tf"


def swap_class(layer, packed_class: type, kept) -> None:
    """Makes a float layer one of a packed class. kept: what `swap_back` is to return."""
    # Past Keras, which would track what is kept.
    object.__setattr__(layer, "_float_class", type(layer))
    object.__setattr__(layer, "_kept", kept)
    layer.__class__ = packed_class


def is_swapped(layer) -> bool:
    """Whether `swap_class` made the layer a packed one: others were made so."""
    return "_kept" in vars(layer)


def swap_back(layer):
    """The inverse of `swap_class`; returns what it kept."""
    layer.__class__ = layer.__dict__.pop("_float_class")
    return layer.__dict__.pop("_kept")


@contextlib.contextmanager
def float_classes(packed: list):
    """Packed layers and models have their float classes in this context, to be serialized."""
    classes = [type(layer) for layer in packed]
    try:
        for layer in packed:
            layer.__class__ = float_class(layer)
        yield
    finally:
        for layer, packed_class in zip(packed, classes, strict=True):
            layer.__class__ = packed_class
