"""Trains one model in a loop of its own as a worker of `tf.distribute`; see test_workers.py.

    python -m tests.training.workers FOLDER WORKER PORT,PORT WAY ...

A way is "projection" or "latent". With one port there is one process and no strategy. The file of
each way is FOLDER/WAY.bcq.npy; FOLDER/WAY.WORKER.npz has the weights that this process ends with.
"""

import json
import os
import sys

EPOCHS, ROWS, GLOBAL_BATCH = 2, 128, 32


def main(folder, worker, ports, *ways):
    workers = [f"127.0.0.1:{port}" for port in ports.split(",")]
    task = {"type": "worker", "index": int(worker)}
    os.environ |= {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})
    import tensorflow as tf

    several = len(workers) > 1
    # Before all else: it has to be the first to use the devices.
    strategy = (
        tf.distribute.MultiWorkerMirroredStrategy() if several else tf.distribute.get_strategy()
    )
    for way in ways:
        train(folder, int(worker), strategy, way)


def train(folder, worker, strategy, way):
    import keras
    import numpy as np

    import bcq_tf

    keras.utils.set_random_seed(0)
    with strategy.scope():
        inputs = keras.Input((32,))
        hidden = keras.layers.Dense(64, activation="relu", name="hidden")(inputs)
        outputs = keras.layers.Dense(32, name="output")(hidden)
        model = of_strategy(strategy)(inputs, outputs)
        model.compile(keras.optimizers.Adam(1e-2), "mse")
    callback = bcq_tf.BCQCallback(
        os.path.join(folder, f"{way}.bcq.npy"),
        2,
        latent=way == "latent",
        every_n_steps=3,
        verbose=1,
    )
    fit(model, strategy, callback)
    kernels = {weight.path: weight.codes.reconstruct() for weight in callback.report.chosen}
    np.savez(os.path.join(folder, f"{way}.{worker}.npz"), **kernels)


def of_strategy(strategy):
    """The class of models that docs/guide.md has for a strategy."""
    import keras
    import tensorflow as tf

    class OfStrategy(keras.Model):
        def make_train_function(self, force=False):
            if self.train_function is None or force:

                @tf.function
                def train_function(iterator):
                    logs = strategy.run(self.train_step, args=(next(iterator),))
                    return {n: strategy.reduce("MEAN", v, axis=None) for n, v in logs.items()}

                self.train_function = train_function
            return self.train_function

    return OfStrategy


def fit(model, strategy, callback):
    """The loop of docs/guide.md."""
    import keras
    import numpy as np
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 32)).astype("float32")
    y = np.tanh(x @ rng.normal(size=(32, 32))).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(GLOBAL_BATCH)
    batches = strategy.experimental_distribute_dataset(data)
    callbacks = keras.callbacks.CallbackList([callback], model=model)
    model.make_train_function()
    callbacks.on_train_begin()
    for epoch in range(EPOCHS):
        callbacks.on_epoch_begin(epoch)
        iterator = iter(batches)
        for step in range(ROWS // GLOBAL_BATCH):
            callbacks.on_train_batch_begin(step)
            logs = model.train_function(iterator)
            callbacks.on_train_batch_end(step, logs)
        callbacks.on_test_begin()  # from here on the weights are quantized
        loss = float(np.mean((model(x, training=False).numpy() - y) ** 2))
        callbacks.on_test_end()
        callbacks.on_epoch_end(epoch, {"val_loss": loss})
    callbacks.on_train_end()


if __name__ == "__main__":
    main(*sys.argv[1:])
