"""Batches for training: tokenized once, shuffled, sorted by length, cut to a budget of tokens."""

import dataclasses

import numpy as np
import tensorflow as tf

from transformer.vocabulary import END, PAD, START


@dataclasses.dataclass(frozen=True)
class TokenizedPairs:
    """Token ids of sentence pairs, padded with 0.

    source: int32 [N, S], each row ends with END.
    target: int32 [N, T], each row begins with START and ends with END.
    lengths: int64 [N], the longer of the two sequences that the model sees for a pair.
    dropped: how many pairs were longer than the cap and left out.
    """

    source: np.ndarray
    target: np.ndarray
    lengths: np.ndarray
    dropped: int

    def __len__(self):
        return len(self.lengths)


def tokenize_pairs(pairs, vocabularies, max_tokens=None):
    """Tokenizes `Pairs` and leaves out those longer than `max_tokens` on either side."""
    source = _frame(vocabularies.source.encode(pairs.source), [END])
    target = _frame(vocabularies.target.encode(pairs.target), [END], before=[START])
    lengths = np.maximum(source.row_lengths(), target.row_lengths() - 1)
    keep = lengths <= (max_tokens or lengths.max(initial=0))
    return TokenizedPairs(
        source=tf.ragged.boolean_mask(source, keep).to_tensor(PAD).numpy(),
        target=tf.ragged.boolean_mask(target, keep).to_tensor(PAD).numpy(),
        lengths=lengths[keep],
        dropped=int(np.sum(~keep)),
    )


def _frame(rows, after, before=()):
    """Puts the tokens `before` and `after` round every row of a ragged int32 tensor."""
    columns = [tf.fill([rows.nrows(), 1], token) for token in (*before, *after)]
    return tf.concat([*columns[: len(before)], rows, *columns[len(before) :]], axis=1)


def steps_per_epoch(pairs, batch_tokens):
    """Number of batches that `training_batches` makes of one pass over the pairs."""
    return len(_batch_starts(pairs, batch_tokens))


def training_batches(pairs, batch_tokens, seed, first_epoch=0):
    """Endless batches ((source, target_in), target_out); use with `steps_per_epoch`.

    Every epoch has its own order, which depends on `seed` and the epoch's number alone, so that
    training can go on from `first_epoch` with the batches it would have had.

    Yields:
        source int32 [B, S], target_in int32 [B, T], target_out int32 [B, T]; target_out is
        target_in one position on. Padded to the batch's longest sequences, of which B times the
        longer one is at most `batch_tokens`.
    """
    starts = _batch_starts(pairs, batch_tokens)
    ends = tf.constant([*starts[1:], len(pairs)])
    lengths = tf.constant(pairs.lengths, tf.float32)

    def epoch_batches(epoch):
        key = tf.stack([tf.cast(seed, tf.int64), epoch])
        tie_breaks = tf.random.stateless_uniform([len(pairs)], key)
        order = tf.argsort(lengths + tie_breaks)
        places = tf.random.experimental.stateless_shuffle(tf.range(len(starts)), key)
        return tf.data.Dataset.from_tensor_slices(places).map(
            lambda place: order[tf.gather(starts, place) : tf.gather(ends, place)]
        )

    return _fetch(tf.data.Dataset.counter(first_epoch).flat_map(epoch_batches), pairs)


def evaluation_batches(pairs, batch_tokens):
    """One pass over the pairs, shortest first; batches as in `training_batches`."""
    order = np.argsort(pairs.lengths, kind="stable")
    starts = _batch_starts(pairs, batch_tokens)
    batches = tf.RaggedTensor.from_row_starts(order, starts)
    return _fetch(tf.data.Dataset.from_tensor_slices(batches), pairs).cache()


def _batch_starts(pairs, batch_tokens):
    """Where each batch begins among the pairs sorted by length; int64 [batches].

    A batch takes as many of them as keep its size times its longest length within the budget, and
    always one.
    """
    starts = []
    for place, length in enumerate(np.sort(pairs.lengths)):
        if not starts or (place + 1 - starts[-1]) * length > batch_tokens:
            starts.append(place)
    return np.array(starts, "int64")


def _fetch(batches, pairs):
    """Turns batches of indices into batches of tokens."""
    source, target = tf.constant(pairs.source), tf.constant(pairs.target)

    def fetch(indices):
        source_rows, target_rows = (_crop(tf.gather(side, indices)) for side in (source, target))
        return (source_rows, target_rows[:, :-1]), target_rows[:, 1:]

    return batches.map(fetch, num_parallel_calls=2).prefetch(4)


def _crop(rows):
    """Drops the columns in which every row is padding."""
    longest = tf.reduce_max(tf.reduce_sum(tf.cast(rows != PAD, tf.int32), axis=1))
    return rows[:, :longest]
