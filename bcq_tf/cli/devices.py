"""The processor that a command computes on."""

from __future__ import annotations

from collections.abc import Callable

from bcq_tf.cli.errors import UserError
from bcq_tf.cli.frameworks import import_frameworks

DEVICES = ("cpu", "gpu")


def choose_device(name: str, threads: int | None):
    """Prepares TensorFlow and returns a context in which it computes on the device.

    Args:
        name: one of `DEVICES`.
        threads: of one operation on the CPU; None for TensorFlow's choice.

    Raises:
        UserError: there is no GPU or no kernel for it; or threads were chosen after TensorFlow
            started.
    """
    import_frameworks()
    import tensorflow as tf

    if threads is not None:
        _set_threads(threads)
    if name == "gpu":
        _check_gpu()
    return tf.device(f"/{name}:0")


def waiting(function: Callable[[], object]) -> Callable[[], object]:
    """`function`, returning when the device has done its work."""
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return function  # which returns when it is done

    def run() -> None:
        function()
        tf.test.experimental.sync_devices()

    return run


def _set_threads(threads: int) -> None:
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        raise UserError(
            "`--threads` must be chosen before TensorFlow computes in this process. "
            f"Received: {threads}"
        ) from None


def _check_gpu() -> None:
    import tensorflow as tf

    from bcq_tf import native

    if not tf.config.list_physical_devices("GPU"):
        raise UserError("`--device` must be cpu where TensorFlow finds no GPU. Received: gpu")
    if native.library(native.TF_GPU) is None:
        raise UserError(
            "`--device` must be cpu where the GPU kernels are not compiled. Received: gpu"
        )
