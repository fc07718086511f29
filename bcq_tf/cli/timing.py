"""Times of functions on a device, taken in turns: a busy moment of the machine hits them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from bcq_tf.cli.errors import UserError
from bcq_tf.cli.start import import_frameworks

DEVICES = ("cpu", "gpu")
ROUNDS = 9
TURN_SECONDS = 0.01


def choose_device(name: str, threads: int | None):
    """Prepares TensorFlow and returns a context in which it computes on the device `name`.

    threads: of one operation on the CPU; None for TensorFlow's choice.
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


def compared(rivals: dict[str, Callable[[], object]], count: int = 1) -> dict[str, float]:
    """The times of two functions, "float" and "packed", each of which computes `count` times.

    Returns:
        "float_seconds" and "packed_seconds" of one of these times, and "speedup".
    """
    seconds = {name: total / count for name, total in take_turns(rivals).items()}
    return {
        "float_seconds": seconds["float"],
        "packed_seconds": seconds["packed"],
        "speedup": seconds["float"] / seconds["packed"],
    }


def take_turns(functions: dict[str, Callable[[], object]]) -> dict[str, float]:
    """{name: median seconds of one call}, over `ROUNDS` turns of about `TURN_SECONDS` each.

    Each function must have computed all when it returns; it is called twice before.
    """
    calls = {name: _calls_in_a_turn(function) for name, function in functions.items()}
    times = {name: [] for name in functions}
    for _ in range(ROUNDS):
        for name, function in functions.items():
            times[name].append(_seconds(function, calls[name]) / calls[name])
    return {name: statistics.median(seconds) for name, seconds in times.items()}


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


def _calls_in_a_turn(function: Callable[[], object]) -> int:
    function()  # the first call traces
    return max(1, int(TURN_SECONDS / max(_seconds(function, 1), 1e-9)))


def _seconds(function: Callable[[], object], calls: int) -> float:
    begin = time.perf_counter()
    for _ in range(calls):
        function()
    return time.perf_counter() - begin
