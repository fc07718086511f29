"""Encoder and decoder layers (Vaswani et al. 2017), normalized before each sublayer."""

import keras

from transformer.attention import CachedAttention


class _ResidualLayer(keras.layers.Layer):
    """What encoder and decoder layers share: their shape, config and feed-forward sublayer."""

    def __init__(self, d_model, dff, num_heads, key_dim, dropout_rate=0.0, **kwargs):
        super().__init__(**kwargs)
        self.d_model, self.dff = d_model, dff
        self.num_heads, self.key_dim = num_heads, key_dim
        self.dropout_rate = dropout_rate
        self.expand = keras.layers.Dense(dff, activation="relu", name="expand")
        self.contract = keras.layers.Dense(d_model, name="contract")
        self.feed_forward_norm = _norm("feed_forward_norm")
        self.dropout = keras.layers.Dropout(dropout_rate)

    def get_config(self):
        names = ("d_model", "dff", "num_heads", "key_dim", "dropout_rate")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    def build(self, input_shape=None):
        shape = (None, None, self.d_model)
        for layer in self._attentions():
            layer.build(shape, shape)
        for layer in self._norms():
            layer.build(shape)
        self.expand.build(shape)
        self.contract.build((None, None, self.dff))
        self.built = True

    def _attention(self, name):
        return CachedAttention(self.num_heads, self.key_dim, name=name)

    def _feed_forward(self, x, training):
        """x [B, T, D] plus its feed-forward update."""
        hidden = self.expand(self.feed_forward_norm(x))
        return self._add(x, self.contract(hidden), training)

    def _add(self, x, update, training):
        return x + self.dropout(update, training=training)


def _norm(name):
    return keras.layers.LayerNormalization(epsilon=1e-6, name=name)


@keras.saving.register_keras_serializable(package="transformer")
class EncoderLayer(_ResidualLayer):
    """Self-attention and feed-forward, each added to its input."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.self_attention = self._attention("self_attention")
        self.self_attention_norm = _norm("self_attention_norm")

    def _attentions(self):
        return [self.self_attention]

    def _norms(self):
        return [self.self_attention_norm, self.feed_forward_norm]

    def call(self, x, mask, training=None):
        """x float [B, S, D], mask bool [B, 1, S] (True where a token is) -> [B, S, D]."""
        normed = self.self_attention_norm(x)
        update = self.self_attention(normed, normed, attention_mask=mask)
        return self._feed_forward(self._add(x, update, training), training)


@keras.saving.register_keras_serializable(package="transformer")
class DecoderLayer(_ResidualLayer):
    """Causal self-attention, attention to the source, and feed-forward, each added to its input."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.self_attention = self._attention("self_attention")
        self.self_attention_norm = _norm("self_attention_norm")
        self.cross_attention = self._attention("cross_attention")
        self.cross_attention_norm = _norm("cross_attention_norm")

    def _attentions(self):
        return [self.self_attention, self.cross_attention]

    def _norms(self):
        return [self.self_attention_norm, self.cross_attention_norm, self.feed_forward_norm]

    def call(self, x, encoded, causal_mask, source_mask, training=None):
        """Whole sequences: x [B, T, D], encoded [B, S, D] -> [B, T, D].

        causal_mask: bool [1, T, T]. source_mask: bool [B, 1, S].
        """
        normed = self.self_attention_norm(x)
        update = self.self_attention(normed, normed, attention_mask=causal_mask)
        x = self._add(x, update, training)
        normed = self.cross_attention_norm(x)
        update = self.cross_attention(normed, encoded, attention_mask=source_mask)
        return self._feed_forward(self._add(x, update, training), training)

    def step(self, x, number, past, visible, source, source_visible):
        """Position `number` of the sequences: x [B, 1, D] -> [B, 1, D], and `past` with it added.

        past: the cache of self-attention, with earlier positions. source: that of cross-attention.
        visible, source_visible: which positions of them to attend to, as they take it.
        """
        normed = self.self_attention_norm(x)
        past = past.extended(*self.self_attention.project(normed), number)
        x = x + self.self_attention.attend(normed, past, visible)
        normed = self.cross_attention_norm(x)
        x = x + self.cross_attention.attend(normed, source, source_visible)
        return self._feed_forward(x, training=False), past
