"""The best epoch of a run: its weights and codes, in memory and in files."""

from __future__ import annotations

from bcq_tf._keras import print_message
from bcq_tf.training.quantizer import ModelQuantizer
from bcq_tf.training.rating import rating_text
from bcq_tf.training.resuming import Run


class BestEpoch:
    """Keeps the best epoch of a run, and writes it where there is a path.

    Args:
        quantizer: of the model that trains.
        run: the run, with the best epoch of a process that was cut short.
        verbose: 1 prints a line for each file.

    Attributes:
        content: the tensors and the metadata of a file; None before an epoch was kept.
    """

    def __init__(self, quantizer: ModelQuantizer, run: Run, verbose: int):
        self._quantizer, self._files, self._verbose = quantizer, run.files, verbose
        self.run = run
        self.content = None if run.best is None else (run.best, run.best.metadata)

    def keep(self, epoch: int, logs: dict, rating: dict) -> None:
        """Keeps the model as it is now.

        Args:
            epoch: from 0.
            logs: of the epoch, for the fields of the path.
            rating: metadata: "monitor", "mode", "value", "step"; a value of None is not rated.
        """
        tensors, metadata = self._quantizer.contents()
        own = {"run": self.run.identity, "epoch": epoch}
        self.content = tensors, metadata | own | rating
        if self._files.template is None or not _is_chief(self._quantizer.model):
            return
        path, previous = self._files.save(*self.content, epoch, logs)
        if previous is not None:
            print_message(
                f"\n{path} was of another run, which `resume=True` goes on with: it is kept as "
                f"{previous}"
            )
        if self._verbose:
            print_message(f"\n{rating_text(rating)}: saved {path}")

    def write_lost(self) -> None:
        """Writes the best file again where it is gone, its folder removed, say."""
        if self.content is None or not _is_chief(self._quantizer.model):
            return
        path = self._files.save_if_lost(*self.content)
        if path is not None:
            print_message(f"\n{path} was gone: it has been written again")


def _is_chief(model) -> bool:
    strategy = getattr(model, "distribute_strategy", None)
    return strategy is None or strategy.extended.should_checkpoint
