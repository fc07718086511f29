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


def is_first_process() -> bool:
    """Whether this process is the one of its training that writes files."""
    return not _are_several() or _jax().process_index() == 0


def wait_for_processes(reason: str) -> None:
    """Waits, on JAX, until all processes of the training have called this for one reason."""
    if _are_several():
        _jax().experimental.multihost_utils.sync_global_devices(reason)


def of_first_process(value: bytes) -> bytes:
    """The value that the first of the processes of a training has given, of one length in all."""
    if not _are_several():
        return value
    given = np.frombuffer(value, np.uint8)
    return _jax().experimental.multihost_utils.broadcast_one_to_all(given).tobytes()


def _are_several() -> bool:
    return keras.backend.backend() == "jax" and _jax().process_count() > 1


def _jax():
    import jax
    import jax.experimental.multihost_utils

    return jax
