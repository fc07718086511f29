"""The Keras config of a model."""

from __future__ import annotations

import json

import keras

from bcq_tf._keras.hub import whole_configs


def serialized_model(model) -> dict | None:
    """The Keras config that `keras.saving.deserialize_keras_object` takes, as JSON-able data.

    None where the model has none: a subclassed model without `get_config`.
    """
    try:
        with whole_configs(model):
            config = keras.saving.serialize_keras_object(model)
        return json.loads(json.dumps(config, allow_nan=False))
    except (NotImplementedError, TypeError, ValueError):
        return None
