"""Cached decoding against the uncached model, and beam search against a slow search."""

import numpy as np
import pytest
import tensorflow as tf

from tests.transformer.conftest import make_model
from transformer.beam_search import beam_search
from transformer.decoding import greedy_decode, length_limits
from transformer.vocabulary import END, PAD, START


def sources(seed, count=6):
    """Rows of random tokens of different lengths; a row of END alone is among them."""
    random = np.random.default_rng(seed)
    rows = np.zeros((count, 7), "int32")
    for row, length in zip(rows, [1, 7, *random.integers(2, 7, count - 2)], strict=True):
        row[:length] = [*random.integers(4, 260, length - 1), END]
    return rows


def uncached_log_probabilities(model, source, tokens):
    """log p of every token after `tokens`, from the whole model: float64 [vocabulary]."""
    logits = model((source[np.newaxis], np.array([[START, *tokens]], "int32")))
    logits = logits[0, -1].numpy().astype("float64")
    return logits - np.log(np.exp(logits).sum())


def slow_greedy(model, source):
    tokens, limit = [], int(length_limits(source[np.newaxis])[0])
    while len(tokens) < limit and tokens[-1:] != [END]:
        tokens.append(int(np.argmax(uncached_log_probabilities(model, source, tokens))))
    return tokens


def slow_beam_search(model, source, beam_size, exponent):
    """Beam search in plain Python: growing and ended translations are lists of (score, tokens)."""
    limit = int(length_limits(source[np.newaxis])[0])
    growing, ended = [(0.0, [])], []
    for length in range(1, limit + 1):
        candidates = []
        for score, tokens in growing:
            log_p = uncached_log_probabilities(model, source, tokens)
            candidates += [(score + log_p[v], [*tokens, v]) for v in range(len(log_p))]
        candidates = sorted(candidates, key=lambda c: -c[0])[: 2 * beam_size]
        stop = [tokens[-1] == END or length == limit for _, tokens in candidates]
        penalty = ((5 + length) / 6) ** exponent
        ended += [
            (score / penalty, tokens)
            for (score, tokens), stops in list(zip(candidates, stop, strict=True))[:beam_size]
            if stops
        ]
        growing = [c for c, stops in zip(candidates, stop, strict=True) if not stops][:beam_size]
        hope = max((score for score, _ in growing), default=-1e9) / ((5 + limit) / 6) ** exponent
        if ended and max(ended)[0] >= hope:
            break
    return max(ended)[1]


def trimmed(rows):
    """Rows of token ids as lists without their padding."""
    return [[int(token) for token in row if token != PAD] for row in np.asarray(rows)]


def willing_to_end(model, bias):
    """Raises the untied model's logit of END, so that translations differ in length."""
    model.output_layer.bias.assign(bias * (np.arange(model.output_layer.units) == END))
    return model


@pytest.fixture(params=[0.0, 2.0, 4.0], ids="end_bias_{}".format)
def ending_model(request, vocabularies):
    return willing_to_end(make_model(vocabularies, tie_embeddings=False), request.param)


@pytest.mark.parametrize("seed", [1, 2])
def test_greedy_equals_the_uncached_model(ending_model, seed):
    rows = sources(seed)
    fast = trimmed(greedy_decode(ending_model, tf.constant(rows)))
    assert fast == [slow_greedy(ending_model, row) for row in rows]


def test_greedy_equals_the_uncached_model_with_tied_embeddings(vocabularies):
    model, rows = make_model(vocabularies, tie_embeddings=True), sources(3)
    assert trimmed(greedy_decode(model, tf.constant(rows))) == [slow_greedy(model, r) for r in rows]


@pytest.mark.parametrize("decode", [greedy_decode, lambda m, s: beam_search(m, s, 3)])
def test_a_sentence_is_translated_alike_in_any_batch(ending_model, decode):
    rows = sources(4)
    together = trimmed(decode(ending_model, tf.constant(rows)))
    wider = trimmed(decode(ending_model, tf.constant(np.pad(rows, [(0, 0), (0, 5)]))))
    alone = [
        trimmed(decode(ending_model, tf.constant(row[row != PAD][np.newaxis])))[0] for row in rows
    ]
    assert together == alone == wider


def test_a_row_ends_at_its_limit_or_at_end(ending_model):
    rows = sources(5)
    limits = length_limits(rows).numpy()
    assert limits.tolist() == [2 * np.count_nonzero(row) + 10 for row in rows]
    for tokens, limit in zip(trimmed(greedy_decode(ending_model, tf.constant(rows))), limits):
        assert (len(tokens) == limit) or tokens[-1] == END
        assert END not in tokens[:-1]


@pytest.mark.parametrize("beam_size", [2, 4])
@pytest.mark.parametrize("exponent", [0.0, 0.6])
def test_beam_search_equals_a_slow_one(ending_model, beam_size, exponent):
    rows = sources(6, count=3)
    fast = trimmed(beam_search(ending_model, tf.constant(rows), beam_size, exponent))
    assert fast == [slow_beam_search(ending_model, row, beam_size, exponent) for row in rows]


def test_a_beam_of_one_without_length_penalty_is_greedy(ending_model):
    rows = tf.constant(sources(7))
    beam = beam_search(ending_model, rows, beam_size=1, length_penalty=0.0)
    assert trimmed(beam) == trimmed(greedy_decode(ending_model, rows))


def test_a_compiled_loop_sees_new_weights(ending_model):
    rows = tf.constant(sources(8))
    decode = tf.function(lambda source: greedy_decode(ending_model, source))
    before = trimmed(decode(rows))
    for weight in ending_model.trainable_variables:
        weight.assign(weight * 1.5)
    after = trimmed(decode(rows))
    assert after == trimmed(greedy_decode(ending_model, rows)) != before


def test_the_loop_compiles_with_unknown_shapes(ending_model):
    decode = tf.function(
        lambda source: beam_search(ending_model, source, 2),
        input_signature=[tf.TensorSpec([None, None], tf.int32)],
    )
    rows = sources(9)
    assert trimmed(decode(rows)) == trimmed(beam_search(ending_model, tf.constant(rows), 2))
