"""What training needs beside the model: loss, accuracy, learning rate, optimizer."""

import keras
import numpy as np
import tensorflow as tf

from transformer.vocabulary import PAD


@keras.saving.register_keras_serializable(package="transformer")
class NoamSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """d_model^-1/2 min(step^-1/2, step warmup_steps^-3/2) (Vaswani et al. 2017)."""

    def __init__(self, d_model, warmup_steps):
        self.d_model = d_model
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        step = keras.ops.cast(step, "float32") + 1.0
        return self.d_model**-0.5 * keras.ops.minimum(step**-0.5, step * self.warmup_steps**-1.5)

    def get_config(self):
        return {"d_model": self.d_model, "warmup_steps": self.warmup_steps}


@keras.saving.register_keras_serializable(package="transformer")
class MaskedCrossEntropy(keras.losses.Loss):
    """Mean cross entropy (nats) over the target tokens that are not padding.

    With `label_smoothing` e, the target probabilities are 1 - e on the token plus e / vocabulary
    on every token (Szegedy et al. 2016).
    """

    from_logits = True  # the name and this tell what distillation compares

    def __init__(
        self, label_smoothing=0.0, name="masked_sparse_categorical_crossentropy", **kwargs
    ):
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        """y_true [B, T], y_pred logits [B, T, vocabulary] -> scalar."""
        y_true = tf.cast(y_true, tf.int32)  # Keras gives losses their targets as floats.
        loss = smoothed_cross_entropy(y_true, tf.cast(y_pred, tf.float32), self.label_smoothing)
        weights = tf.cast(y_true != PAD, loss.dtype)
        return tf.math.divide_no_nan(tf.reduce_sum(loss * weights), tf.reduce_sum(weights))

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="transformer")
class MaskedAccuracy(keras.metrics.Mean):
    """Share of the target tokens, padding left out, whose logit is the largest."""

    def __init__(self, name="accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """y_true int32 [B, T], y_pred logits [B, T, vocabulary]."""
        hits = tf.argmax(y_pred, axis=-1, output_type=y_true.dtype) == y_true
        # Flat, because Keras would first average each row.
        hits, weights = (tf.reshape(tf.cast(t, tf.float32), [-1]) for t in (hits, y_true != PAD))
        super().update_state(hits, weights)


def smoothed_cross_entropy(labels, logits, label_smoothing):
    """Cross entropy against smoothed labels: int32 [...], float32 [..., V] -> float32 [...].

    The gradient is written out, softmax less target, because TensorFlow's own spends three times
    as long on it.
    """
    vocabulary_size = logits.shape[-1]
    uniform = label_smoothing / vocabulary_size

    @tf.custom_gradient
    def cross_entropy(logits):
        log_probabilities = tf.nn.log_softmax(logits)
        at_label = tf.gather(log_probabilities, labels, axis=-1, batch_dims=labels.shape.rank)
        spread = tf.reduce_mean(log_probabilities, axis=-1)
        loss = (label_smoothing - 1.0) * at_label - label_smoothing * spread

        def gradient(upstream):
            target = tf.one_hot(labels, vocabulary_size, 1.0 - label_smoothing + uniform, uniform)
            return (tf.exp(log_probabilities) - target) * upstream[..., tf.newaxis]

        return loss, gradient

    return cross_entropy(logits)


class SeedDropout(keras.callbacks.Callback):
    """Starts each epoch's dropout from `seed` and the epoch's number.

    Weights files leave out the state of Keras' random generators. With this, training that goes on
    from a file drops what it would have dropped without the interruption.
    """

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch, logs=None):
        states = [v for v in self.model.variables if v.path.endswith("seed_generator_state")]
        random = np.random.default_rng([self.seed, epoch])
        for state in states:
            state.assign(random.integers(2**31, size=state.shape))


def learning_rate(hparams, steps):
    """The schedule of `hparams` for a training of so many steps in all."""
    if hparams.decay == "noam":
        return NoamSchedule(hparams.d_model, hparams.warmup_steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, steps - hparams.warmup_steps),
        warmup_target=(hparams.d_model * hparams.warmup_steps) ** -0.5,
        warmup_steps=hparams.warmup_steps,
    )


def compile_model(model, hparams, learning_rate):
    """Compiles `model` for training: Adam, masked loss and accuracy.

    learning_rate: a number or schedule.
    """
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate, beta_1=0.9, beta_2=0.98, epsilon=1e-9),
        loss=MaskedCrossEntropy(hparams.label_smoothing),
        metrics=[MaskedAccuracy()],
        jit_compile=False,
    )
    # Otherwise fit makes the optimizer's variables inside its graph, and has to trace it twice.
    model.optimizer.build(model.trainable_variables)
