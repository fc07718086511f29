"""The best epoch of a run: its weights and codes, in memory and in files."""

from __future__ import annotations

from bcq_tf._keras import print_message
from bcq_tf.models.contents import ModelContents
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
        value: what the best of the rated epochs is rated; None before one.
    """

    def __init__(self, quantizer: ModelQuantizer, run: Run, verbose: int):
        self._quantizer, self._run, self._verbose = quantizer, run, verbose
        self.content = None if run.best is None else (run.best, run.best.metadata)
        self.value = None if run.best is None else run.best.metadata.get("value")

    def keep(self, epoch: int, logs: dict, rating: dict) -> None:
        """Keeps the model as it is now.

        Args:
            epoch: from 0.
            logs: of the epoch, for the fields of the path.
            rating: metadata: "monitor", "mode", "value", "step"; a value of None is not rated.
        """
        if rating["value"] is not None:
            self.value = rating["value"]
        tensors, metadata = self._quantizer.contents()
        own = {"run": self._run.identity, "epoch": epoch}
        self.content = tensors, metadata | own | rating
        files = self._run.files
        if files.template is None or not self._is_chief():
            return
        path, previous = files.save(*self.content, epoch, logs)
        if previous is not None:
            print_message(
                f"\n{path} was of another run, which `resume=True` goes on with: it is kept as "
                f"{previous}"
            )
        if self._verbose:
            print_message(f"\n{rating_text(rating)}: saved {path}")

    def restore(self) -> None:
        """Gives the model the best epoch's weights and state, if one was kept."""
        if self.content is not None:
            contents = ModelContents.of(*self.content)
            contents.put_weights(self._quantizer.model)
            # Assets do not change while a model trains.
            contents.restore_state(self._quantizer.model, assets=False)

    def write_lost(self) -> None:
        """Writes the best file again where it is gone, its folder removed, say."""
        if self.content is None or not self._is_chief():
            return
        path = self._run.files.save_if_lost(*self.content)
        if path is not None:
            print_message(f"\n{path} was gone: it has been written again")

    def _is_chief(self) -> bool:
        strategy = getattr(self._quantizer.model, "distribute_strategy", None)
        return strategy is None or strategy.extended.should_checkpoint
