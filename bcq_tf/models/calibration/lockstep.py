"""`Lockstep`: a model runs on all batches at once, and stops at each of some layers for a visit.

So what is done to a layer's weights when it is reached shows in the inputs of the layers after it,
for all batches, in one run of the model. Beside it the model as it was runs in the same steps: its
calls of a layer are made before the visit. Each run of a batch has a thread; all wait where a layer
is called until the last of them is there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from bcq_tf.models.calibration.moments import named
from bcq_tf.models.calibration.watch import replaced_calls


class Lockstep:
    """One run.

    Args:
        model: a Keras model.
        batches: (x, y, sample weights) each.
        layers: those to stop at. The model must reach each once, in the same order for all batches.
        visit: called with a layer and two lists, of each batch the (arguments, keyword arguments)
            of its call in the model as it becomes, and in the model as it was.
    """

    def __init__(self, model, batches: list, layers: Iterable, visit: Callable):
        self.model, self.batches = model, batches
        self._visit, self._left = visit, set(layers)
        self._threads = threading.local()
        self._arrived: list = [None] * (2 * len(batches))
        self._barrier = threading.Barrier(len(self._arrived), self._visit_all)
        self._errors: list[BaseException] = []

    def run(self) -> None:
        """Runs the model as far as the last of the layers.

        Raises:
            Exception: what a visit raised.
            ValueError: the model does not take a batch, or takes its layers in another order there.
        """
        threads = [
            threading.Thread(target=self._run, args=(place,), daemon=True)
            for place in range(len(self._arrived))
        ]
        with replaced_calls(tuple(self._left), self._call):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if self._errors:
            raise self._errors[0]

    def _run(self, place: int) -> None:
        self._threads.place = place
        try:
            with named():
                self.model(self.batches[place // 2][0], training=False)
        except BaseException as error:  # of whatever kind: it is raised where all began
            if self._left and not self._barrier.broken:
                self._errors.append(error)
        self._barrier.abort()  # nobody waits for what has ended

    def _call(self, layer, call, *args, **kwargs):
        place = self._threads.place
        result = call(*args, **kwargs) if _as_it_was(place) else None
        self._arrived[place] = layer, args, kwargs
        self._barrier.wait()
        if not self._left:
            raise StopIteration  # what comes after the last layer is of no use
        return result if _as_it_was(place) else call(*args, **kwargs)

    def _visit_all(self) -> None:
        # In one of the threads, while the others wait.
        layer = self._arrived[0][0]
        try:
            if any(other is not layer for other, _, _ in self._arrived):
                raise ValueError(
                    "`sequential` needs a model that takes its layers in one order, whatever the "
                    f"batch. Received: another order in a batch, at layer {layer.name!r}"
                )
            arguments = [(args, kwargs) for _, args, kwargs in self._arrived]
            self._visit(layer, arguments[::2], arguments[1::2])
        except BaseException as error:
            self._errors.append(error)
            raise
        self._left.discard(layer)


def _as_it_was(place: int) -> bool:
    return place % 2 == 1
