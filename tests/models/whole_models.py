"""Small models of the kinds that users bring, with data: what the tests of round trips fit.

Each name of `KINDS` has a function that returns a model, and `data(name)` is what trains and rates
it. `rated(name, model)` compiles a model that was loaded and returns its metrics on these data.
"""

import keras
import keras_hub as hub
import numpy as np
import tensorflow as tf
from keras import layers as L  # noqa: N812

SIZES = {"vocabulary_size": 90, "num_layers": 1, "num_heads": 2, "hidden_dim": 64}
SIZES |= {"intermediate_dim": 80, "max_sequence_length": 16}
LINES = ["the cat sat", "a dog ran far", "the dog sat", "cat and dog", "a cat", "sat ran sat", "a"]
TEXT = tf.constant(LINES)


def random(seed=0):
    return np.random.default_rng(seed)


@keras.saving.register_keras_serializable(package="tests")
class Gan(keras.Model):
    """As keras.io's: two optimizers, metrics of its own, random vectors from a seed generator."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.Sequential([keras.Input((8,)), L.Dense(40, "relu"), L.Dense(32)])
        self.discriminator = keras.Sequential([keras.Input((32,)), L.Dense(40, "relu"), L.Dense(1)])
        self.seeds = keras.random.SeedGenerator(1)
        self.d_loss_tracker = keras.metrics.Mean(name="d_loss")
        self.g_loss_tracker = keras.metrics.Mean(name="g_loss")
        self.built = True

    def compile(self, rate=1e-3):
        super().compile(run_eagerly=True)
        self.d_optimizer = keras.optimizers.Adam(rate)
        self.g_optimizer = keras.optimizers.Adam(rate)
        self.loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)

    @property
    def metrics(self):
        return [self.d_loss_tracker, self.g_loss_tracker]

    def call(self, x):
        return self.discriminator(x)

    def losses_of(self, x, noise):
        real, made = self.discriminator(x), self.discriminator(self.generator(noise))
        ones, zeros = tf.ones_like(real), tf.zeros_like(made)
        return self.loss_fn(ones, real) + self.loss_fn(zeros, made), self.loss_fn(ones, made)

    def train_step(self, x):
        noise = keras.random.normal((tf.shape(x)[0], 8), seed=self.seeds)
        with tf.GradientTape(persistent=True) as tape:
            d_loss, g_loss = self.losses_of(x, noise)
        for loss, part, optimizer in (
            (d_loss, self.discriminator, self.d_optimizer),
            (g_loss, self.generator, self.g_optimizer),
        ):
            weights = part.trainable_weights
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return self.logged(d_loss, g_loss)

    def test_step(self, x):
        return self.logged(*self.losses_of(x, tf.ones([tf.shape(x)[0], 8])))

    def logged(self, d_loss, g_loss):
        self.d_loss_tracker.update_state(d_loss)
        self.g_loss_tracker.update_state(g_loss)
        return {metric.name: metric.result() for metric in self.metrics}

    def get_config(self):
        return {"name": self.name}


@keras.saving.register_keras_serializable(package="tests")
class Sampling(L.Layer):
    """z = mean + sigma e; e is 0 outside of training, so that evaluations can be compared."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, mean, log_var, training=False):
        noise = keras.random.normal(tf.shape(mean), seed=self.seed_generator)
        return mean + tf.exp(0.5 * log_var) * (noise if training else 0.0)


@keras.saving.register_keras_serializable(package="tests")
class Vae(keras.Model):
    """As keras.io's: loss trackers made in `__init__`, steps of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        x = keras.Input((32,))
        h = L.Dense(40, "relu")(x)
        mean, log_var = L.Dense(32, name="mean")(h), L.Dense(32, name="log_var")(h)
        self.encoder = keras.Model(x, [mean, log_var, Sampling()(mean, log_var)])
        self.decoder = keras.Sequential([keras.Input((32,)), L.Dense(40, "relu"), L.Dense(32)])
        self.trackers = {n: keras.metrics.Mean(name=n) for n in ("loss", "reconstruction", "kl")}
        self.built = True

    @property
    def metrics(self):
        return list(self.trackers.values())

    def call(self, x):
        return self.decoder(self.encoder(x)[2])

    def losses_of(self, x, training):
        mean, log_var, z = self.encoder(x, training=training)
        reconstruction = tf.reduce_mean(tf.square(x - self.decoder(z)))
        kl = -0.5 * tf.reduce_mean(1 + log_var - tf.square(mean) - tf.exp(log_var))
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    def train_step(self, x):
        with tf.GradientTape() as tape:
            losses = self.losses_of(x, True)
        grads = tape.gradient(losses["loss"], self.trainable_weights)
        self.optimizer.apply_gradients(zip(grads, self.trainable_weights, strict=True))
        return self.logged(losses)

    def test_step(self, x):
        return self.logged(self.losses_of(x, False))

    def logged(self, losses):
        for name, loss in losses.items():
            self.trackers[name].update_state(loss)
        return {metric.name: metric.result() for metric in self.metrics}

    def get_config(self):
        return {"name": self.name}


def data(name):
    """(x,) or (x, y)."""
    if name in ("gan", "vae"):
        return (random().normal(size=(32, 32)).astype("float32"),)
    if name == "efficientnet":
        return random().uniform(0, 255, (8, 16, 16, 3)).astype("float32"), np.arange(8) % 4
    return (TEXT,) if name == "gpt2_task" else (TEXT, np.arange(len(LINES)) % 3)


def bert_classifier():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "a", "dog"]
    tokenizer = hub.models.BertTokenizer(vocabulary=words)
    preprocessor = hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=8)
    backbone = hub.models.BertBackbone(**SIZES)
    return hub.models.BertTextClassifier(backbone, 3, preprocessor)


def gpt2_task():
    vocabulary = {c: i for i, c in enumerate(["<|endoftext|>", *"thecasodgrnfĠ", "th"])}
    tokenizer = hub.models.GPT2Tokenizer(vocabulary=vocabulary, merges=["t h"])
    preprocessor = hub.models.GPT2CausalLMPreprocessor(tokenizer, sequence_length=8)
    return hub.models.GPT2CausalLM(hub.models.GPT2Backbone(**SIZES), preprocessor)


def efficientnet():
    """Adapted statistics before a small EfficientNet, batch normalization inside it."""
    normalization = L.Normalization()
    normalization.adapt(data("efficientnet")[0])
    x = keras.Input((16, 16, 3))
    backbone = hub.models.EfficientNetBackbone(
        stackwise_kernel_sizes=[3, 3],
        stackwise_num_repeats=[1, 1],
        stackwise_input_filters=[16, 32],
        stackwise_output_filters=[32, 40],
        stackwise_expansion_ratios=[1, 4],
        stackwise_strides=[1, 2],
        stackwise_block_types=["v1", "v1"],
        stackwise_squeeze_and_excite_ratios=[0.25, 0.25],
        min_depth=8,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        image_shape=(16, 16, 3),
    )
    h = L.GlobalAveragePooling2D()(backbone(normalization(x)))
    return keras.Model(x, L.Dense(4)(h))


def text_model():
    vectorization = L.TextVectorization(output_sequence_length=5)
    vectorization.adapt(LINES)
    x = keras.Input((), dtype="string")
    h = L.GlobalAveragePooling1D()(L.Embedding(16, 32, mask_zero=True)(vectorization(x)))
    return keras.Model(x, L.Dense(3)(h))


KINDS = {"gan": Gan, "vae": Vae}
KINDS |= {f.__name__: f for f in (bert_classifier, gpt2_task, efficientnet, text_model)}
TOKENIZED = {"bert_classifier", "gpt2_task"}  # their tokenizers take seconds to trace
CASES = [
    (kind, packed) for kind in KINDS for packed in (True, False) if packed or kind not in TOKENIZED
]


def compiled(name, model):
    """The model with the loss and metrics that its kind is rated by."""
    rate = 1e-3
    if name == "gan":
        model.compile(rate)
    elif name == "vae":
        model.compile(keras.optimizers.Adam(rate), run_eagerly=True)
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer = keras.optimizers.Adam(rate)
        model.compile(optimizer, loss, weighted_metrics=["accuracy"], run_eagerly=True)
    return model


def monitored(name):
    """The metric that rates an epoch."""
    return "g_loss" if name == "gan" else "loss"


def rated(name, model):
    """The metrics of a model on its data, by name."""
    found = compiled(name, model).evaluate(*data(name), verbose=0, return_dict=True)
    return {key: float(value) for key, value in found.items()}
