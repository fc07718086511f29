"""Models as Keras trains and serializes them."""

from __future__ import annotations

import contextlib

import keras
from keras.src.backend.common.global_state import get_global_attribute
from keras.src.saving.object_registration import GLOBAL_CUSTOM_NAMES
from keras.src.trainers.trainer import model_supports_jit

from bcq_tf._keras.variables import forget


def forget_training(model) -> None:
    """Makes the model as one not compiled; the optimizer and traced functions hold variables."""
    functions = "train_function", "test_function", "predict_function", "generate_function"
    for name in ("optimizer", "_compile_config", "_jit_compile", *functions):
        if getattr(model, name, None) is not None:
            forget(model, name)
    model.compiled = False


class CompiledByXla:
    """Stands before the class of a model that runs faster under XLA, on CPUs too.

    Keras' `compile(jit_compile="auto")` means XLA only where there is another device.
    """

    def gains_by_xla(self) -> bool:
        """Whether XLA is faster here; where False, Keras decides."""
        return True

    def _resolve_auto_jit_compile(self) -> bool:
        if not self.gains_by_xla() or getattr(self, "_distribute_strategy", None):
            return super()._resolve_auto_jit_compile()
        return model_supports_jit(self)


def register_name(cls: type, name: str) -> None:
    """Makes Keras write `name`, of a registered class, into the files of instances of `cls`."""
    GLOBAL_CUSTOM_NAMES[cls] = name


def sync_variables(model) -> None:
    """Makes the variables hold what training has made of them.

    On JAX they lag behind while `fit` runs; after this, `fit` also sees what is assigned to them.
    """
    sync = getattr(model, "jax_state_sync", None)
    if sync is not None:
        sync()


def part_of_loss(model, loss):
    """A loss of a batch as `compute_loss` adds it up: in each replica a part of it."""
    return model._aggregate_additional_loss(loss)


@contextlib.contextmanager
def replaced_methods(*methods: tuple):
    """(object, name, function) of models, layers and optimizers: in this context each object has
    that function as its method of that name."""
    # Past Keras' attribute tracking: the functions are no part of a model.
    before = [vars(owner).get(name) for owner, name, _ in methods]
    try:
        for owner, name, function in methods:
            object.__setattr__(owner, name, function)
        yield
    finally:
        for (owner, name, function), previous in zip(methods, before, strict=True):
            if vars(owner).get(name) is not function:
                continue  # something else has been put in its place
            if previous is None:
                object.__delattr__(owner, name)
            else:
                object.__setattr__(owner, name, previous)


def saves_as_h5() -> bool:
    """Whether Keras now writes a model in the format that it had before `.keras`."""
    return bool(get_global_attribute("use_legacy_config", None))


def unpickled_model(file):
    """The model in a file object that `keras.Model.__reduce__` made."""
    return keras.Model._unpickle_model(file)


@contextlib.contextmanager
def running_eagerly():
    """A context in which functions that TensorFlow would trace run as they stand, too."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
