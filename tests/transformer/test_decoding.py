"""Cached decoding against the uncached model, and beam search against a slow search.

One model and one trace of each loop serve all tests: to trace costs more than all else.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.transformer.conftest import make_model
from transformer import beam_search as beam_search_module
from transformer import decoding
from transformer.beam_search import beam_search
from transformer.caches import BlockCache, GrowingCache
from transformer.decoding import greedy_decode, length_limits, most_likely
from transformer.vocabulary import END, PAD, START

FORMS = [GrowingCache, BlockCache]


def sources(seed, count=5, longest=5):
    """Rows of random tokens of different lengths; a row of END alone is among them."""
    random = np.random.default_rng(seed)
    rows = np.zeros((count, longest), "int32")
    lengths = [1, longest, *random.integers(2, longest, count - 2)]
    for row, length in zip(rows, lengths, strict=True):
        row[:length] = [*random.integers(4, 260, length - 1), END]
    return rows


@functools.cache
def uncached(model):
    """A function from sources, or one for all, and equally long beginnings of translations to
    log p of every next token."""
    shape = tf.TensorSpec([None, None], tf.int32)
    forward = tf.function(lambda *pair: model(pair), input_signature=[shape, shape])

    def log_probabilities(source, beginnings):
        target = np.array([[START, *tokens] for tokens in beginnings], "int32")
        logits = forward(
            tf.constant(np.broadcast_to(source, (len(target), source.shape[-1]))),
            tf.constant(target),
        )
        logits = logits[:, -1].numpy().astype("float64")
        return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))

    return log_probabilities


def slow_greedy(model, rows):
    log_probabilities, limits = uncached(model), length_limits(rows).numpy()
    translations = [[] for _ in rows]
    for length in range(max(limits)):
        growing = [i for i, tokens in enumerate(translations) if tokens[-1:] != [END]]
        growing = [i for i in growing if length < limits[i]]
        if not growing:
            break
        scores = log_probabilities(rows[growing], [translations[i] for i in growing])
        for i, token in zip(growing, np.argmax(scores, axis=-1), strict=True):
            translations[i].append(int(token))
    return translations


def slow_beam_search(log_probabilities, source, beam_size, exponent):
    """Beam search in plain Python: growing and ended translations are lists of (score, tokens)."""
    limit = int(length_limits(source[np.newaxis])[0])
    growing, ended = [(0.0, [])], []
    for length in range(1, limit + 1):
        next_scores = log_probabilities(source, [tokens for _, tokens in growing])
        candidates = [
            (score + log_p, [*tokens, token])
            for (score, tokens), row in zip(growing, next_scores, strict=True)
            for token, log_p in enumerate(row)
        ]
        candidates = sorted(candidates, key=lambda c: -c[0])[: 2 * beam_size]
        stops = [tokens[-1] == END or length == limit for _, tokens in candidates]
        penalty = ((5 + length) / 6) ** exponent
        for (score, tokens), stop in list(zip(candidates, stops, strict=True))[:beam_size]:
            if stop:
                ended.append((score / penalty, tokens))
        growing = [c for c, stop in zip(candidates, stops, strict=True) if not stop][:beam_size]
        hope = max((score for score, _ in growing), default=-1e9) / ((5 + limit) / 6) ** exponent
        if ended and max(ended)[0] >= hope:
            break
    return max(ended)[1]


def compiled(model, decode=greedy_decode, form=GrowingCache, **options):
    """See `trace`; one for each call with the same arguments."""
    return trace(model, decode, form, **options)


@functools.cache
def trace(model, decode, form, **options):
    """`decode` for this model in one trace for all shapes, as translation uses it.

    With either form of the caches in a plain graph; compiling with XLA would take minutes.
    """
    translate = tf.function(
        lambda source: decode(model, source, **options),
        input_signature=[tf.TensorSpec([None, None], tf.int32)],
    )
    with pytest.MonkeyPatch.context() as patch:
        for module in (decoding, beam_search_module):
            patch.setattr(module, "cache_form", lambda jit_compile: form)
        translate.get_concrete_function()
    return lambda rows: trimmed(translate(rows))


def trimmed(rows):
    """Rows of token ids as lists without their padding."""
    return [[int(token) for token in row if token != PAD] for row in np.asarray(rows)]


@pytest.fixture(scope="module")
def untied_model(vocabularies):
    keras.utils.set_random_seed(0)
    return make_model(vocabularies, tie_embeddings=False)


@pytest.fixture(params=[0.0, 3.0], ids="end_bias_{}".format)
def ending_model(request, untied_model):
    """One whose logit of END is raised, so that translations differ in length."""
    weights = untied_model.get_weights()
    output = untied_model.output_layer
    output.bias.assign(request.param * (np.arange(output.units) == END))
    yield untied_model
    untied_model.set_weights(weights)


@pytest.mark.parametrize("form", FORMS)
def test_greedy_equals_the_uncached_model(ending_model, form):
    rows = sources(1)
    assert compiled(ending_model, form=form)(rows) == slow_greedy(ending_model, rows)


def test_the_first_of_the_largest_is_the_most_likely():
    logits = np.random.default_rng(0).integers(0, 9, (50, 40)).astype("float32")
    np.testing.assert_array_equal(most_likely(logits), np.argmax(logits, axis=-1))
    assert int(most_likely(np.full((1, 7), np.nan, "float32"))[0]) in range(7)


def test_greedy_equals_the_uncached_model_with_tied_embeddings(vocabularies):
    model, rows = make_model(vocabularies, tie_embeddings=True), sources(3)
    assert compiled(model)(rows) == slow_greedy(model, rows)


BOTH = pytest.mark.parametrize(
    ("decode", "options"), [(greedy_decode, {}), (beam_search, {"beam_size": 3})]
)


@BOTH
@pytest.mark.parametrize("form", FORMS)
def test_a_sentence_is_translated_alike_in_any_batch(ending_model, decode, options, form):
    rows, translate = sources(4), compiled(ending_model, decode, form, **options)
    together = translate(rows)
    assert translate(np.pad(rows, [(0, 2), (0, 5)])) == [*together, [], []]
    assert [translate(row[row != PAD][np.newaxis])[0] for row in rows] == together


def test_xla_gives_the_same_translations(ending_model):  # greedy ones: see test_evaluation.py
    rows = np.pad(sources(9), [(0, 1), (0, 0)])
    under_xla = compiled(ending_model, beam_search, BlockCache, jit_compile=True, beam_size=3)
    assert under_xla(rows) == compiled(ending_model, beam_search, beam_size=3)(rows)


def test_a_row_ends_at_its_limit_or_at_end(ending_model):
    rows = sources(5)
    limits = length_limits(rows).numpy()
    assert limits.tolist() == [2 * np.count_nonzero(row) + 10 for row in rows]
    assert length_limits(np.zeros((1, 3), "int32")).numpy().tolist() == [0]
    for tokens, limit in zip(compiled(ending_model)(rows), limits, strict=True):
        assert (len(tokens) == limit) or tokens[-1] == END
        assert END not in tokens[:-1]


@pytest.mark.parametrize(
    ("options", "form"),
    [
        ({"beam_size": 3}, GrowingCache),
        ({"beam_size": 3}, BlockCache),
        ({"beam_size": 1, "length_penalty": 0.0}, GrowingCache),
    ],
)
def test_beam_search_equals_a_slow_one(ending_model, options, form):
    rows = sources(6, count=3)
    log_probabilities = uncached(ending_model)
    slow = [
        slow_beam_search(
            log_probabilities, row, options["beam_size"], options.get("length_penalty", 0.6)
        )
        for row in rows
    ]
    assert compiled(ending_model, beam_search, form, **options)(rows) == slow


def test_a_beam_of_one_without_length_penalty_is_greedy(ending_model):
    rows = sources(7)
    beam = compiled(ending_model, beam_search, beam_size=1, length_penalty=0.0)
    assert beam(rows) == compiled(ending_model)(rows)


def test_a_compiled_loop_sees_new_weights(ending_model):
    rows, decode = sources(8), compiled(ending_model)
    before = decode(rows)
    for weight in ending_model.trainable_variables:
        weight.assign(weight * 1.5)
    after = decode(rows)
    assert after == slow_greedy(ending_model, rows) != before
