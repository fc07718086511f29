"""Greedy decoding, one position at a time, with cached keys and values, in one compiled loop."""

from typing import Any, NamedTuple

import tensorflow as tf

from transformer.caches import BlockCache, GrowingCache
from transformer.model import positions
from transformer.vocabulary import END, PAD, START


def greedy_decode(model, source, jit_compile=False):
    """The most likely next token, again and again, until END.

    Rows are independent of each other: a sentence gets the same translation in any batch.

    Args:
        model: a Transformer.
        source: int32 [B, S], padded with 0. A row of padding alone stays one.
        jit_compile: whether XLA compiles the loop: once for each B and each `caches.BUCKET` of S.

    Returns:
        int32 [B, T]: tokens after START, END included, padded with 0. A row that meets
        `length_limits` before END is cut there.
    """
    cache = cache_form(jit_compile)
    context = Context.of(model, source, cache)

    # The encoder stays outside: it is as fast in a plain graph, where any length will do.
    @tf.function(jit_compile=jit_compile, autograph=False)
    def decode(context, limits):
        return _greedy_loop(model, context, limits, cache)

    return decode(context, length_limits(source))


def _greedy_loop(model, context, limits, cache):
    rows, length = tf.shape(limits)[0], context.capacity()

    def not_finished(step, last, tokens, finished, past):
        return tf.logical_not(tf.reduce_all(finished))

    def extend(step, last, tokens, finished, past):
        logits, past = next_logits(model, last, step, past, context)
        best = tf.where(finished, PAD, most_likely(logits))
        tokens = tf.where(tf.range(length) == step, best[:, tf.newaxis], tokens)
        finished = finished | (best == END) | (step + 1 >= limits)
        return step + 1, best, tokens, finished, past

    past = empty_past(model, rows, length, cache)
    tokens = tf.fill([rows, length], PAD)
    state = (tf.constant(0), tf.fill([rows], START), tokens, limits == 0, past)
    invariants = (
        tf.TensorShape([]),
        tf.TensorShape([None]),
        tf.TensorShape([None, None]),
        tf.TensorShape([None]),
        [layer_past.shape_invariants() for layer_past in past],
    )
    return tf.while_loop(not_finished, extend, state, shape_invariants=invariants)[2]


def cache_form(jit_compile):
    """The class of the caches, see `transformer.caches`."""
    return BlockCache if jit_compile else GrowingCache


def length_limits(source):
    """The most tokens that a translation may take: twice its source's and 10; int32 [B].

    0 for a row of padding alone.
    """
    lengths = tf.reduce_sum(tf.cast(source != PAD, tf.int32), axis=1)
    return tf.where(lengths > 0, capacity(lengths), 0)


def capacity(source_length):
    """The length limit of a source of so many tokens."""
    return 2 * source_length + 10


class Context(NamedTuple):
    """All that decoding needs beside the past, computed once.

    cross: for each decoder layer the cache of its cross-attention. visible: what to see of it.
    position_vectors: float [capacity, D].
    """

    cross: list
    visible: Any
    position_vectors: tf.Tensor

    @classmethod
    def of(cls, model, source, cache, copies=1):
        """The context of source tokens [B, S], each row repeated `copies` times: [B copies]."""
        encoded, mask = model.encode(source)

        def keys_and_values(layer):
            return [tf.repeat(t, copies, 0) for t in layer.cross_attention.project(encoded)]

        return cls(
            [cache.of(*keys_and_values(layer)) for layer in model.decoder_layers],
            cache.visible(tf.repeat(mask[:, 0], copies, 0), encoded.dtype),
            positions(capacity(cache.room(tf.shape(source)[1])), model.d_model),
        )

    def capacity(self):
        """The most positions that a translation can have."""
        return tf.shape(self.position_vectors)[0]


def empty_past(model, rows, length, cache):
    """Caches of the self-attention of each layer, with no position; room for `length`."""
    return [
        cache.empty(rows, length, layer.num_heads, layer.key_dim, model.compute_dtype)
        for layer in model.decoder_layers
    ]


def next_logits(model, tokens, step, past, context):
    """One position of the decoder.

    Args:
        tokens: int32 [B], the tokens at this position.
        step: the position's number, int32.
        past: caches of the earlier positions, as from `empty_past`.
        context: a `Context`.

    Returns:
        logits float [B, vocabulary] for the next position, and `past` with this one added.
    """
    x = model.embed_target(tokens[:, tf.newaxis], context.position_vectors[step, tf.newaxis])
    visible = past[0].visible_until(step, context.capacity(), x.dtype)
    grown = []
    for layer, layer_past, cross in zip(model.decoder_layers, past, context.cross, strict=True):
        x, layer_past = layer.step(x, step, layer_past, visible, cross, context.visible)
        grown.append(layer_past)
    return model.logits(x)[:, 0], grown


def most_likely(logits):
    """The index of the first of the largest of each row: [B, V] -> int32 [B].

    As `tf.argmax`, which under XLA is a loop over pairs of values and indices, several times
    slower than these two reductions.
    """
    last = logits.shape[-1] - 1
    largest = tf.reduce_max(logits, axis=-1, keepdims=True)
    return tf.reduce_min(tf.where(logits == largest, tf.range(last + 1), last), axis=-1)
