"""`PackedModel`: what a model with packed layers can be asked for."""

from __future__ import annotations

import functools

import keras

from bcq_tf._keras import (
    deferred_model,
    initialize_rest,
    register_name,
    serialized_model,
    walk_layers,
)
from bcq_tf.layers.packed_layer import PackedLayer
from bcq_tf.layers.swap import is_packed_in_place, pack_layer
from bcq_tf.layers.weights import weight_from_dict

_NAME = "bcq_tf>PackedModel"
_FLOATS = ("scales", "offset", "codebooks")  # the parts of codes that may train


@keras.saving.register_keras_serializable(package="bcq_tf")
class PackedModel:
    """Stands before the class of a model whose layers `bcq_tf.pack_model` packed.

    `model.save("x.keras")` keeps the codes: the file holds the config of the float model and which
    layers are packed, and `keras.saving.load_model` reads it where `bcq_tf.layers` is imported.
    """

    def get_config(self):
        """The float model's config, and how its layers are packed.

        Raises:
            ValueError: the model cannot be made from its config.
        """
        config, _ = self._before_packing
        if config is None:
            raise ValueError(
                "a packed model must have a Keras config to be saved as .keras: give its class a "
                "`get_config`, or keep the .bcq.npy file and load it with "
                f"bcq_tf.load_model(path, model=...). Received: model '{self.name}'"
            )
        packed = {"model": config, "layers": _packing(self)}
        _check_rebuilds(self, packed)
        return packed

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A packed model; codes and other variables still have no values but the initial ones."""
        model, made = deferred_model(config["model"], custom_objects)
        before = serialized_models(model)
        layers = list(walk_layers(model))
        for index, line in config["layers"].items():
            layer = layers[int(index)]
            if isinstance(layer, PackedLayer):
                continue  # of a model inside, which was packed before
            weights = {name: weight_from_dict(weight) for name, weight in line["weights"].items()}
            pack_layer(layer, weights, line["precision"])
        initialize_rest(model, made)
        pack_classes(before)
        return model

    def save(self, *args, **kwargs):
        """As `keras.Model.save`; what cannot be saved is found before the file is touched."""
        self.get_config()
        return super().save(*args, **kwargs)

    def make_train_function(self, force=False):
        """Raises ValueError where codes are to train, or none of the layers' scales do.

        Embeddings may be all that is packed: frozen tables under layers that train.
        """
        layers = packed_layers(self)
        if any(v.trainable for layer in layers for part, v in _parts(layer) if part not in _FLOATS):
            raise ValueError(
                "codes do not train: the `trainable` of a packed layer's codes must be False. "
                f"Received: model '{self.name}'"
            )
        frozen = not any(v.trainable for layer in layers for _, v in _parts(layer))
        if frozen and not all(isinstance(layer, keras.layers.Embedding) for layer in layers):
            raise ValueError(
                "a packed model must have trainable scales to be trained: pack it with "
                "trainable_scales=True, or make it float with bcq_tf.unpack_model. "
                f"Received: model '{self.name}'"
            )
        return super().make_train_function(force)


def serialized_models(model) -> list:
    """(model, its Keras config) for each model in `model`, itself first."""
    models = [layer for layer in walk_layers(model) if isinstance(layer, keras.Model)]
    return [(inside, serialized_model(inside)) for inside in models]


def pack_classes(before: list) -> None:
    """Gives the models, of `serialized_models` before their layers were packed, packed classes."""
    for model, config in before:
        if isinstance(model, PackedModel):
            continue  # by an earlier packing, of its embeddings
        float_class = type(model)
        model.__class__ = _packed_class(float_class)
        object.__setattr__(model, "_before_packing", (config, float_class))


def unpack_class(model: PackedModel) -> None:
    """Gives a model its float class back."""
    _, model.__class__ = model._before_packing
    object.__delattr__(model, "_before_packing")


def packed_layers(model) -> list[PackedLayer]:
    """The packed layers in a model."""
    return [layer for layer in walk_layers(model) if isinstance(layer, PackedLayer)]


def packed_in_place(model) -> list[PackedLayer]:
    """Those of the packed layers that were float: the others were made as packed ones."""
    return [layer for layer in packed_layers(model) if is_packed_in_place(layer)]


def _packing(model) -> dict:
    # By the place of the layer, as names differ from process to process.
    return {
        str(index): {
            "weights": {name: weight.to_dict() for name, weight in layer.packed_weights.items()},
            "precision": layer.precision,
        }
        for index, layer in enumerate(walk_layers(model))
        if is_packed_in_place(layer)
    }


def _check_rebuilds(model, config: dict) -> None:
    # Files that do not load again are not written.
    try:
        again, _ = deferred_model(config["model"])
        layers = list(walk_layers(again))
        built = again.built and all(layers[int(index)].built for index in config["layers"])
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"a packed model must be made from its Keras config to be saved: {reason}"
        ) from None
    if not built or len(layers) != len(list(walk_layers(model))):
        raise ValueError(
            "a packed model must be built by its Keras config to be saved: give its class a "
            "`build` that builds its layers, or keep the .bcq.npy file and load it with "
            f"bcq_tf.load_model(path, model=...). Received: model '{model.name}'"
        )


def _parts(layer: PackedLayer) -> list:
    return [item for name in layer.packed_weights for item in layer.parts_of(name).items()]


@functools.cache
def _packed_class(float_class: type) -> type:
    packed = type(f"Packed{float_class.__name__}", (PackedModel, float_class), {})
    register_name(packed, _NAME)
    return packed
