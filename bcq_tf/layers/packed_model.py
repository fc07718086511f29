"""`PackedModel`: what a model with packed layers can be asked for."""

from __future__ import annotations

import functools

import keras

from bcq_tf._keras import (
    deferred_model,
    deferred_variables,
    float_class,
    float_classes,
    forget_training,
    initialize_rest,
    is_causal_lm,
    is_swapped,
    layers_by_path,
    own_variables,
    packed_subclass,
    saves_as_h5,
    serialized_model,
    sublayers,
    unpickled_model,
    walk_layers,
)
from bcq_tf.layers.kinds.registry import weight_from_dict
from bcq_tf.layers.packed_generator import PackedGenerator
from bcq_tf.layers.packed_layer import PackedLayer
from bcq_tf.layers.packed_recurrent import pack_loops
from bcq_tf.layers.packed_task import PackedTask
from bcq_tf.layers.swap import holds, pack_layer

_INSTEAD = (
    "or keep the .bcq.npy file and load it with bcq_tf.load_model(path, model=...). Received: model"
)
_NOT_H5 = "`filepath` must end in '.keras' for a packed model, h5 keeps no codes. Received: '{}'"


@keras.saving.register_keras_serializable(package="bcq_tf")
class PackedModel:
    """Stands before the class of a model whose layers `bcq_tf.pack_model` packed.

    `model.save("x.keras")` keeps the codes: the file holds the config of the float model and which
    layers are packed, and `keras.saving.load_model` reads it where `bcq_tf.layers` is imported.
    While the config is made the layers have their float classes: no other thread may call them.
    """

    def __new__(cls, *args, **kwargs):
        """A model of the float class: Keras calls the class to clone a model.

        The clone's layers are made as packed ones, so it needs no config that packs them.
        """
        return float_class(cls)(*args, **kwargs)

    def get_config(self):
        """The float model's present config, and how its layers are packed.

        Raises:
            ValueError: the model cannot be made from its config, or is saved as .h5.
        """
        if saves_as_h5():
            raise ValueError(_NOT_H5.format(self.name))
        packed = [layer for layer in walk_layers(self) if is_swapped(layer)]
        with float_classes([*packed, *_packed_models(self)]):
            model = serialized_model(self)
        if model is None:
            raise ValueError(
                "a packed model must have a Keras config to be saved as .keras: give its class a "
                f"`get_config`, {_INSTEAD} '{self.name}'"
            )
        config = {"model": model, **_packing(self)}
        _check_rebuilds(self, config)
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A packed model; codes and other variables still have no values but the initial ones."""
        model, made = deferred_model(config["model"], custom_objects)
        _pack_again(model, config)
        initialize_rest(made)
        forget_training(model)  # a class may compile itself
        return model

    def save(self, filepath, *args, **kwargs):
        """As `keras.Model.save`; what cannot be saved is found before the file is touched."""
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(_NOT_H5.format(filepath))
        self.get_config()
        return super().save(filepath, *args, **kwargs)

    def __reduce__(self):
        """Pickled by its `.keras` file, since the class has no name that pickle finds."""
        return unpickled_model, super().__reduce__()[1]

    def make_train_function(self, force=False):
        """Raises ValueError where codes are to train, or products from codes of fixed scales.

        Tables may be frozen: they are looked up in by layers that train.
        """
        layers = packed_layers(self)
        if any(v.trainable for layer in layers for may_train, v in _parts(layer) if not may_train):
            raise ValueError(
                "codes do not train: the `trainable` of a packed layer's codes must be False. "
                f"Received: model '{self.name}'"
            )
        products = [layer for layer in layers if not isinstance(layer, keras.layers.Embedding)]
        if products and not any(v.trainable for layer in products for _, v in _parts(layer)):
            raise ValueError(
                "a packed model must have trainable scales to be trained: pack it with "
                "trainable_scales=True, or make it float with bcq_tf.unpack_model. "
                f"Received: model '{self.name}'"
            )
        return super().make_train_function(force)


def pack_class(model) -> None:
    """Gives a model, some of whose layers are packed, a packed class."""
    if not isinstance(model, PackedModel):
        model.__class__ = _packed_class(type(model))


def unpack_class(model) -> None:
    """Gives a model its float class back."""
    if isinstance(model, PackedModel):
        model.__class__ = float_class(model)


def packed_layers(model) -> list[PackedLayer]:
    """The packed layers in a model."""
    return [layer for layer in walk_layers(model) if isinstance(layer, PackedLayer)]


def _packed_models(model) -> list[PackedModel]:
    return [layer for layer in walk_layers(model) if isinstance(layer, PackedModel)]


def _packing(model) -> dict:
    layers = layers_by_path(model)
    return {
        "layers": {
            path: layer.packing_config()
            for path, layer in layers.items()
            if isinstance(layer, PackedLayer) and is_swapped(layer)
        },
        "models": [path for path, layer in layers.items() if isinstance(layer, PackedModel)],
    }


class _OtherLayersError(ValueError):
    """The layers that a config makes are not those that were packed."""


def _pack_again(model, config: dict) -> None:
    layers = layers_by_path(model)
    weights = {
        path: {name: weight_from_dict(weight) for name, weight in line["packed_weights"].items()}
        for path, line in config["layers"].items()
    }
    models = [layers.get(path) for path in config["models"]]
    same = all(holds(layers.get(path), kept) for path, kept in weights.items())
    if not same or not all(isinstance(inside, keras.Model) for inside in models):
        raise _OtherLayersError(
            f"`config` must make, and build, the layers that were packed. Received: '{model.name}'"
        )
    shared = {}
    for path, kept in weights.items():
        pack_layer(layers[path], kept, config["layers"][path]["precision"], shared=shared)
    pack_loops(model)
    for inside in models:
        pack_class(inside)


def _check_rebuilds(model, config: dict) -> None:
    # Files that do not load again are not written.
    try:
        with deferred_variables():
            same = _kept(PackedModel.from_config(config)) == _kept(model)
    except _OtherLayersError:
        same = False
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"a packed model must be made from its Keras config to be saved: {reason}"
        ) from None
    if not same:
        raise ValueError(
            f"a packed model must be made again by its Keras config to be saved: {_remedy(model)}, "
            f"{_INSTEAD} '{model.name}'"
        )


def _kept(model) -> list:
    # What tells where in a file the values of variables stand, and which fit there.
    layers = {
        path: (type(layer).__name__, _sizes(own_variables(layer)))
        for path, layer in layers_by_path(model).items()
        if own_variables(layer)
    }
    return [layers, _sizes(model.weights)]


def _sizes(variables) -> list:
    return sorted((variable.dtype, *variable.shape) for variable in variables)


def _remedy(model) -> str:
    holders = {}  # of each layer, the models that it is directly in
    for holder in walk_layers(model):
        for layer in sublayers(holder) if isinstance(holder, keras.Model) else ():
            holders.setdefault(layer, []).append(f"'{holder.name}'")
    for layer, names in holders.items():
        if len(names) > 1:
            return f"hold layer '{layer.name}' in one of {', '.join(names)}, which make one each"
    return "give its class a `get_config` and a `build` that make its layers"


def _parts(layer: PackedLayer) -> list:
    # (whether it may train, variable) of all its packed weights.
    return [
        (part in weight.TRAINS, variable)
        for name, weight in layer.packed_weights.items()
        for part, variable in layer.parts_of(name).items()
    ]


@functools.cache
def _packed_class(model_class: type) -> type:
    is_task = hasattr(model_class, "has_task_weights")
    task = (PackedGenerator if is_causal_lm(model_class) else PackedTask,) if is_task else ()
    return packed_subclass((*task, PackedModel), model_class, "bcq_tf>PackedModel")
