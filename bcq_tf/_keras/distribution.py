"""Models that train on several devices, and in several processes, under `keras.distribution`."""

from __future__ import annotations

import keras
import numpy as np


def sharding_of_all():
    """On JAX, that of arrays of which every device of the distribution has the whole; None where
    there is no distribution."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return None
    sharding, mesh = _jax().sharding, distribution.device_mesh.backend_mesh
    return sharding.NamedSharding(mesh, sharding.PartitionSpec())


def with_state_sharding(model, sharding) -> tuple:
    """(model, name of a method, the method in its place) by which the state of a train step on JAX
    has one thing more, of this sharding."""
    shardings = model._get_state_sharding_spec
    return model, "_get_state_sharding_spec", lambda: (*shardings(), sharding)


def gathered(value) -> np.ndarray:
    """An array of JAX, from all processes that have parts of it; all of them must call this."""
    if value.is_fully_addressable or value.is_fully_replicated:
        return np.asarray(value)
    everything = _jax().experimental.multihost_utils.process_allgather(value, tiled=True)
    return np.asarray(everything)


def is_first_process(model) -> bool:
    """Whether this process is the one of the model's training that writes files."""
    if keras.backend.backend() == "jax":
        return _jax().process_index() == 0
    strategy = _strategy(model)
    return strategy is None or strategy.extended.should_checkpoint


def wait_for_processes(model, reason: str) -> None:
    """Waits until all processes that train the model have called this for one reason."""
    if not _are_several(model):
        return
    if keras.backend.backend() == "jax":
        _jax().experimental.multihost_utils.sync_global_devices(reason)
    else:
        _given_by_first(model, np.zeros(1, np.uint8))


def of_first_process(model, value: bytes) -> bytes:
    """The value that the first of the processes of a training has given, of one length in all."""
    if not _are_several(model):
        return value
    given = np.frombuffer(value, np.uint8)
    if keras.backend.backend() == "jax":
        return _jax().experimental.multihost_utils.broadcast_one_to_all(given).tobytes()
    return _given_by_first(model, given).tobytes()


def _strategy(model):
    """The `tf.distribute.Strategy` of a model; None on another backend."""
    return getattr(model, "distribute_strategy", None)


def _are_several(model) -> bool:
    if keras.backend.backend() == "jax":
        return _jax().process_count() > 1
    strategy = _strategy(model)
    if strategy is None or not _is_of_workers(strategy):
        return False
    # The worker devices are those of this process.
    return len(strategy.extended.worker_devices) < strategy.num_replicas_in_sync


def _is_of_workers(strategy) -> bool:
    import tensorflow as tf

    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def _given_by_first(model, value: np.ndarray) -> np.ndarray:
    """uint8 [N] of the first replica of a TensorFlow strategy, which all processes ask for."""
    import tensorflow as tf

    def give():
        is_first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
        return tf.where(is_first, tf.constant(value, tf.int32), 0)

    strategy = _strategy(model)
    return strategy.reduce("SUM", strategy.run(give), axis=None).numpy().astype(np.uint8)


def _jax():
    import jax
    import jax.experimental.multihost_utils

    return jax
