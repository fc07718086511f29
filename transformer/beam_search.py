"""Beam search: several translations of each sentence grow side by side, the best one is kept."""

import collections

import tensorflow as tf

from transformer.decoding import (
    Context,
    cache_form,
    empty_past,
    length_limits,
    next_logits,
)
from transformer.vocabulary import END, PAD, START

NEVER = -1e9

Beams = collections.namedtuple("Beams", "tokens scores")
"""tokens int32 [B, K, 1 + T], START first, padded with 0; scores float [B, K]: log probability,
for ended translations divided by the length penalty."""


def beam_search(model, source, beam_size, length_penalty=0.6, jit_compile=False):
    """The best translation that a beam of `beam_size` finds for each row.

    The score of a translation is its log probability divided by ((5 + tokens) / 6)^length_penalty
    (Wu et al. 2016). A translation ends where END is among its sentence's `beam_size` best
    continuations, or at `length_limits`. A sentence is done when no growing translation can pass
    its best ended one. With beam_size=1 and length_penalty=0 this is greedy decoding.

    Other arguments and result as for `decoding.greedy_decode`.
    """
    cache = cache_form(jit_compile)
    context = Context.of(model, source, cache, copies=beam_size)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def search(context, limits):
        return _beam_loop(model, context, limits, cache, beam_size, length_penalty)

    return search(context, length_limits(source))


def _beam_loop(model, context, limits, cache, beam_size, length_penalty):
    best_penalty = _penalty(limits, length_penalty)
    rows, length = tf.shape(limits)[0], context.capacity()

    def not_done(step, growing, ended, past):
        hope = growing.scores[:, 0] / best_penalty
        return tf.reduce_any((hope > ended.scores[:, 0]) & (step < limits))

    def extend(step, growing, ended, past):
        last = tf.reshape(growing.tokens[:, :, step], [-1])
        logits, past = next_logits(model, last, step, past, context)
        step += 1
        candidates, new, origins = _continue(growing, logits, 2 * beam_size, step)
        is_end = (new == END) | (step == limits)[:, tf.newaxis]
        in_beam = (tf.range(2 * beam_size) < beam_size) & (step <= limits)[:, tf.newaxis]
        end_scores = tf.where(
            is_end & in_beam, candidates.scores / _penalty(step, length_penalty), NEVER
        )
        ended, _ = _best(_join(ended, Beams(candidates.tokens, end_scores)), beam_size)
        going = Beams(candidates.tokens, tf.where(is_end, NEVER, candidates.scores))
        growing, chosen = _best(going, beam_size)
        origins = tf.reshape(tf.gather(origins, chosen, batch_dims=1), [-1])
        return step, growing, ended, [layer_past.gather(origins) for layer_past in past]

    tokens = tf.where(tf.range(1 + length) == 0, START, PAD)
    tokens = tf.tile(tokens[tf.newaxis, tf.newaxis], [rows, beam_size, 1])
    only_first = tf.where(tf.range(beam_size) == 0, 0.0, NEVER)
    growing = Beams(tokens, tf.tile(only_first[tf.newaxis], [rows, 1]))
    ended = Beams(tokens, tf.fill([rows, beam_size], NEVER))
    past = empty_past(model, rows * beam_size, length, cache)
    beam_shapes = Beams(tf.TensorShape([None, beam_size, None]), tf.TensorShape([None, beam_size]))
    past_shapes = [layer_past.shape_invariants() for layer_past in past]
    _, _, ended, _ = tf.while_loop(
        not_done,
        extend,
        (tf.constant(0), growing, ended, past),
        shape_invariants=(tf.TensorShape([]), beam_shapes, beam_shapes, past_shapes),
    )
    return ended.tokens[:, 0, 1:]


def _continue(growing, logits, count, step):
    """The `count` best one-token continuations of each row's growing translations.

    Returns:
        Beams of `count`, best first; their tokens at `step`, which are new; and for each the row of
        the flat batch [B K] it grew from.
    """
    rows, beam_size = tf.shape(growing.scores)[0], growing.scores.shape[1]
    vocabulary_size = logits.shape[-1]
    scores = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    scores = tf.reshape(scores, [rows, beam_size, vocabulary_size])
    scores = tf.reshape(scores + growing.scores[..., tf.newaxis], [rows, -1])
    scores, flat = tf.math.top_k(scores, count)
    beams, new = flat // vocabulary_size, flat % vocabulary_size
    tokens = tf.gather(growing.tokens, beams, batch_dims=1)
    tokens = tf.where(tf.range(tf.shape(tokens)[2]) == step, new[..., tf.newaxis], tokens)
    return Beams(tokens, scores), new, beams + tf.range(rows)[:, tf.newaxis] * beam_size


def _best(beams, count):
    """The `count` best of each row, best first, and their places in `beams`."""
    scores, places = tf.math.top_k(beams.scores, count)
    return Beams(tf.gather(beams.tokens, places, batch_dims=1), scores), places


def _join(first, second):
    return Beams(*(tf.concat(pair, axis=1) for pair in zip(first, second, strict=True)))


def _penalty(length, exponent):
    return ((5.0 + tf.cast(length, tf.float32)) / 6.0) ** exponent
