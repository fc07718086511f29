"""Greedy decoding, one position at a time, with cached keys and values, in one compiled loop."""

import tensorflow as tf

from transformer.model import positions
from transformer.vocabulary import END, PAD, START


def greedy_decode(model, source):
    """The most likely next token, again and again, until END.

    Rows are independent of each other: a sentence gets the same translation in any batch.

    Args:
        model: a Transformer.
        source: int32 [B, S], padded with 0.

    Returns:
        int32 [B, T]: tokens after START, END included, padded with 0. A row that meets
        `length_limits` before END is cut there.
    """
    context = encode_source(model, source)
    limits = length_limits(source)
    position_vectors = positions(tf.reduce_max(limits), model.d_model)

    def not_finished(step, tokens, finished, past):
        return tf.logical_not(tf.reduce_all(finished))

    def extend(step, tokens, finished, past):
        logits, past = next_logits(model, tokens[:, -1], position_vectors[step], past, context)
        best = tf.argmax(logits, axis=-1, output_type=tf.int32)
        best = tf.where(finished, PAD, best)
        finished = finished | (best == END) | (step + 1 >= limits)
        return step + 1, tf.concat([tokens, best[:, tf.newaxis]], axis=1), finished, past

    rows = tf.shape(source)[0]
    tokens, past = tf.fill([rows, 1], START), empty_past(model, rows)
    state = (tf.constant(0), tokens, tf.fill([rows], False), past)
    invariants = (
        tf.TensorShape([]),
        tf.TensorShape([None, None]),
        tf.TensorShape([None]),
        past_shapes(past),
    )
    _, tokens, _, _ = tf.while_loop(not_finished, extend, state, shape_invariants=invariants)
    return tokens[:, 1:]


def length_limits(source):
    """The most tokens that a translation may take: twice its source's and 10; int32 [B]."""
    return 2 * tf.reduce_sum(tf.cast(source != PAD, tf.int32), axis=1) + 10


def encode_source(model, source):
    """Everything of the source that decoding needs, computed once.

    Returns:
        For each decoder layer its cross-attention keys and values, and the source's mask.
    """
    encoded, mask = model.encode(source)
    return [layer.cross_attention.project(encoded) for layer in model.decoder_layers], mask


def empty_past(model, rows):
    """Self-attention keys and values of no position: two tensors [rows, 0, heads, key_dim] a layer.

    They grow by one position a step: joining them costs less than attending to the unused part of
    a buffer of full length would.
    """
    shapes = [(rows, 0, layer.num_heads, layer.key_dim) for layer in model.decoder_layers]
    return [(tf.zeros(shape, model.compute_dtype),) * 2 for shape in shapes]


def past_shapes(past):
    """Shape invariants for a loop over `past`, whose first two dimensions may change."""
    return tf.nest.map_structure(lambda t: tf.TensorShape([None, None, *t.shape[2:]]), past)


def next_logits(model, tokens, position_vector, past, context):
    """One position of the decoder.

    Args:
        tokens: int32 [B], the tokens at this position.
        position_vector: float [D].
        past: keys and values of the earlier positions, as from `empty_past`.
        context: from `encode_source`.

    Returns:
        logits float [B, vocabulary] for the next position, and `past` with this one added.
    """
    cross, mask = context
    x = model.embed_target(tokens[:, tf.newaxis], position_vector[tf.newaxis])
    grown = []
    for layer, layer_past, layer_source in zip(model.decoder_layers, past, cross, strict=True):
        x, layer_past = layer.step(x, layer_past, layer_source, mask)
        grown.append(layer_past)
    return model.logits(x)[:, 0], grown
