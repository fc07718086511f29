"""Trains one model on JAX under a distribution, as one of some processes; see test_distributed.py.

    python -m tests.training.distributed FOLDER PROCESS PROCESSES PORT WAY ...

A way is the name of a distribution, and "-latent" behind it for latent training. The file of each
is FOLDER/WAY.bcq.npy; FOLDER/WAY.PROCESS.npz has the weights that this process ends with.
"""

import os
import sys

DEVICES, GLOBAL_BATCH, ROWS = 4, 32, 256


def main(folder, process, processes, port, *ways):
    process, processes = int(process), int(processes)
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={DEVICES // processes}"
    os.environ |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    import jax

    if processes > 1:
        jax.distributed.initialize(f"127.0.0.1:{port}", processes, process)
    for way in ways:
        train(folder, process, processes, way)


def train(folder, process, processes, way):
    import keras
    import numpy as np

    import bcq_tf

    name = way.removesuffix("-latent")
    keras.distribution.set_distribution(distribution(name))
    keras.utils.set_random_seed(0)
    inputs = keras.Input((32,))
    hidden = keras.layers.Dense(64, activation="relu", name="hidden")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(32, name="output")(hidden))
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    callback = bcq_tf.BCQCallback(
        os.path.join(folder, f"{way}.bcq.npy"), 2, latent=way != name, every_n_steps=5, verbose=1
    )
    data = batches(process, 1 if name in ("alone", "model") else processes)
    model.fit(data, epochs=2, shuffle=False, validation_data=data, verbose=0, callbacks=[callback])
    codes = {weight.path: weight.codes.reconstruct() for weight in callback.report.chosen}
    np.savez(os.path.join(folder, f"{way}.{process}.npz"), **codes)


def distribution(name):
    """None, all devices for the data, all for the model, or two for each."""
    import keras

    if name == "alone":
        return None
    if name == "data":
        return keras.distribution.DataParallel(auto_shard_dataset=False)
    shape = (1, DEVICES) if name == "model" else (2, DEVICES // 2)
    mesh = keras.distribution.DeviceMesh(
        shape, ["batch", "model"], keras.distribution.list_devices()
    )
    layout = keras.distribution.LayoutMap(mesh)
    layout[".*hidden/kernel"] = (None, "model")
    layout[".*hidden/bias"] = ("model",)
    layout[".*output/kernel"] = ("model", None)
    return keras.distribution.ModelParallel(
        layout_map=layout, batch_dim_name="batch", auto_shard_dataset=False
    )


def batches(process, parts):
    """This process' part of every batch."""
    import numpy as np
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 32)).astype("float32")
    y = np.tanh(x @ rng.normal(size=(32, 32))).astype("float32")
    rows = np.arange(ROWS).reshape(-1, parts, GLOBAL_BATCH // parts)[:, process % parts].ravel()
    return tf.data.Dataset.from_tensor_slices((x[rows], y[rows])).batch(GLOBAL_BATCH // parts)


if __name__ == "__main__":
    main(*sys.argv[1:])
