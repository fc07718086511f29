"""The transformer: token ids of a source sentence and of its translation so far, to logits."""

import keras
import numpy as np
import tensorflow as tf

from transformer.layers import DecoderLayer, EncoderLayer
from transformer.vocabulary import PAD


@keras.saving.register_keras_serializable(package="transformer")
class Transformer(keras.Model):
    """Encoder-decoder of Vaswani et al. 2017, normalized before each sublayer.

    Padding is token 0: masks are computed from the token ids. With `tie_embeddings` the target
    embedding also gives the logits; otherwise a Dense layer with bias does.
    """

    def __init__(
        self,
        source_vocabulary_size,
        target_vocabulary_size,
        num_layers,
        d_model,
        dff,
        num_heads,
        key_dim,
        dropout_rate=0.1,
        tie_embeddings=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._shape_config = {
            "source_vocabulary_size": source_vocabulary_size,
            "target_vocabulary_size": target_vocabulary_size,
            "num_layers": num_layers,
            "d_model": d_model,
            "dff": dff,
            "num_heads": num_heads,
            "key_dim": key_dim,
            "dropout_rate": dropout_rate,
            "tie_embeddings": tie_embeddings,
        }
        self.d_model = d_model
        layer_shape = (d_model, dff, num_heads, key_dim, dropout_rate)
        table = keras.layers.ReversibleEmbedding if tie_embeddings else keras.layers.Embedding
        self.source_embedding = _embedding(
            keras.layers.Embedding, source_vocabulary_size, d_model, "source_embedding"
        )
        self.target_embedding = _embedding(
            table, target_vocabulary_size, d_model, "target_embedding"
        )
        self.encoder_layers = [
            EncoderLayer(*layer_shape, name=f"encoder_{i}") for i in range(num_layers)
        ]
        self.decoder_layers = [
            DecoderLayer(*layer_shape, name=f"decoder_{i}") for i in range(num_layers)
        ]
        self.encoder_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="encoder_norm")
        self.decoder_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="decoder_norm")
        self.dropout = keras.layers.Dropout(dropout_rate)
        if not tie_embeddings:
            self.output_layer = keras.layers.Dense(target_vocabulary_size, name="logits")

    def get_config(self):
        return {**super().get_config(), **self._shape_config}

    def build(self, input_shape=None):
        states = (None, None, self.d_model)
        self.source_embedding.build((None, None))
        self.target_embedding.build((None, None))
        for layer in (*self.encoder_layers, *self.decoder_layers):
            layer.build(states)
        self.encoder_norm.build(states)
        self.decoder_norm.build(states)
        if not self._shape_config["tie_embeddings"]:
            self.output_layer.build(states)
        self.built = True

    def call(self, inputs, training=None):
        """(source int32 [B, S], target_in int32 [B, T]) -> logits float [B, T, vocabulary]."""
        source, target = inputs
        encoded, source_mask = self.encode(source, training)
        length = tf.shape(target)[1]
        causal_mask = tf.linalg.band_part(tf.ones([1, length, length], tf.bool), -1, 0)
        x = self.embed_target(target, positions(length, self.d_model), training)
        for layer in self.decoder_layers:
            x = layer(x, encoded, causal_mask, source_mask, training=training)
        return self.logits(x)

    def encode(self, source, training=None):
        """source int32 [B, S] -> encoded float [B, S, D], mask bool [B, 1, S]."""
        mask = (source != PAD)[:, tf.newaxis, :]
        x = self._embed(
            self.source_embedding, source, positions(tf.shape(source)[1], self.d_model), training
        )
        for layer in self.encoder_layers:
            x = layer(x, mask, training=training)
        return self.encoder_norm(x), mask

    def embed_target(self, target, position_vectors, training=None):
        """target int32 [B, T], position_vectors [T, D] -> decoder input [B, T, D]."""
        return self._embed(self.target_embedding, target, position_vectors, training)

    def logits(self, x):
        """Decoder states [B, T, D] -> logits [B, T, vocabulary]."""
        x = self.decoder_norm(x)
        if self._shape_config["tie_embeddings"]:
            return self.target_embedding(x, reverse=True)
        return self.output_layer(x)

    def _embed(self, table, tokens, position_vectors, training):
        x = table(tokens) * self.d_model**0.5
        return self.dropout(x + tf.cast(position_vectors, x.dtype), training=training)


def _embedding(kind, vocabulary_size, d_model, name):
    """An embedding whose rows, times sqrt(d_model), begin with unit variance."""
    initializer = keras.initializers.RandomNormal(stddev=d_model**-0.5)
    return kind(vocabulary_size, d_model, embeddings_initializer=initializer, name=name)


def positions(length, d_model):
    """Sinusoidal position vectors, float32 [length, d_model]: sines, then cosines."""
    rates = np.float32(10_000) ** (-np.arange(d_model // 2, dtype="float32") * 2 / d_model)
    angles = tf.cast(tf.range(length), tf.float32)[:, tf.newaxis] * rates
    return tf.concat([tf.sin(angles), tf.cos(angles)], axis=-1)


def build_model(hparams, vocabularies):
    """A built Transformer with fresh weights for these hyperparameters and vocabularies."""
    model = Transformer(
        source_vocabulary_size=vocabularies.source.size,
        target_vocabulary_size=vocabularies.target.size,
        num_layers=hparams.num_layers,
        d_model=hparams.d_model,
        dff=hparams.dff,
        num_heads=hparams.num_heads,
        key_dim=hparams.key_dim,
        dropout_rate=hparams.dropout_rate,
        tie_embeddings=hparams.tie_embeddings,
        name="transformer",
    )
    model.build()
    return model
