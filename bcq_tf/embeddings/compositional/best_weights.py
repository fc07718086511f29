"""`BestWeights`: the weights of the best epoch so far, in a file."""

from __future__ import annotations

import keras
import numpy as np

from bcq_tf.embeddings.compositional.autoencoder import CodeAutoencoder
from bcq_tf.files import file

MONITOR = "val_distance"
_SIZES = ("M", "K", "dimensions")


class BestWeights(keras.callbacks.Callback):
    """Writes the weights to `path` after each epoch whose distance is the smallest so far.

    The file has the epoch and the distance too, so that another run goes on from there.

    Args:
        path: a `.bcq.npy` file.
        table: a checksum of the vectors that are trained on, which the file keeps; None takes
            weights that were trained on any.

    Attributes:
        epochs_done: epochs before and with the best one.
        best: its distance.
    """

    def __init__(self, path: str, table: int | None = None):
        super().__init__()
        self.path, self.table, self.epochs_done, self.best = path, table, 0, np.inf

    def restore(self, model: CodeAutoencoder) -> None:
        """Gives `model` the weights of the file; its epoch and distance are the best so far.

        Raises:
            ValueError: they are of other sizes, or were trained on other vectors.
            FileFormatError, OSError: the file is damaged, of another kind, or cannot be read.
        """
        read = file.read(self.path)
        weights, metadata = dict(read), read.metadata
        if set(metadata) != {"sizes", "table", "epochs_done", MONITOR}:
            raise file.FileFormatError(f"'{self.path}' holds no weights of an EmbeddingCompressor")
        if metadata["sizes"] != list(model.sizes):
            raise ValueError(
                f"'{self.path}' must be of {_text(model.sizes)}. "
                f"Received: {_text(metadata['sizes'])}"
            )
        if self.table not in (None, metadata["table"]):
            raise ValueError(
                f"`matrix` must be the one that the weights at '{self.path}' were trained on, or "
                "`resume` False. Received: another matrix, resume=True"
            )
        variables = _by_name(model)
        if set(weights) != set(variables):
            raise file.FileFormatError(f"'{self.path}' must have {sorted(variables)}")
        for name, variable in variables.items():
            variable.assign(weights[name])
        self.epochs_done, self.best = metadata["epochs_done"], metadata[MONITOR]

    def on_epoch_end(self, epoch: int, logs=None):
        """Writes where the distance is smaller than every one before."""
        value = float(logs[MONITOR])
        if not value < self.best:  # NaN is not
            return
        self.epochs_done, self.best = epoch + 1, value
        weights = {
            name: keras.ops.convert_to_numpy(variable)
            for name, variable in _by_name(self.model).items()
        }
        facts = {
            "sizes": list(self.model.sizes),
            "table": self.table,
            "epochs_done": epoch + 1,
            MONITOR: value,
        }
        file.save(self.path, weights, facts)


def _by_name(model: CodeAutoencoder) -> dict[str, keras.Variable]:
    # Without the model's own name, which Keras numbers.
    return {variable.path.partition("/")[2]: variable for variable in model.trainable_variables}


def _text(sizes) -> str:
    return ", ".join(f"{name}={size}" for name, size in zip(_SIZES, sizes, strict=True))
