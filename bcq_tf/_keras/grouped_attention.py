"""`grouped_queries`: KerasHub's grouped-query attention of one position repeats no keys."""

from __future__ import annotations

import contextlib
import functools
import inspect

from keras import ops

from bcq_tf._keras.models import replaced_methods
from bcq_tf._keras.structure import walk_layers

# Of methods that tell no query from another one: windows are cut from the mask, by its sizes.
_ARGUMENTS = {"query", "key", "value", "attention_mask", "cache_update_index", "kwargs"}
_GROUPS = "num_key_value_groups", "_num_key_value_groups"


@contextlib.contextmanager
def grouped_queries(model):
    """In this context attention of one position takes the queries that share a key as positions.

    KerasHub repeats keys and values for each query head (Ainslie et al. 2023, "GQA"), and XLA
    copies all of them, transposed, for every token. So it copies one for each head of keys.
    """
    layers = [(layer, _groups(layer)) for layer in walk_layers(model)]
    with replaced_methods(
        *(
            (one, "_compute_attention", functools.partial(_attend, one._compute_attention, groups))
            for one, groups in layers
            if groups > 1
        )
    ):
        yield


def _groups(layer) -> int:
    """How many query heads share one of keys, 1 where queries cannot change places."""
    attend = getattr(layer, "_compute_attention", None)
    if attend is None or not set(inspect.signature(attend).parameters) <= _ARGUMENTS:
        return 1
    return next((getattr(layer, name) for name in _GROUPS if hasattr(layer, name)), 1)


def _attend(attend, groups: int, query, key, value, *args, **kwargs):
    """`attend` of queries [batch, 1, heads, size], keys and values [batch, positions, heads, size].

    Query heads h and key heads h // `groups` belong together.
    """
    if query.shape[1] != 1:
        return attend(query, key, value, *args, **kwargs)
    batch, _, heads, size = ops.shape(query)
    query = ops.reshape(query, (batch, heads // groups, groups, size))
    query, key, value = ops.swapaxes(query, 1, 2), key[:, :, ::groups], value[:, :, ::groups]
    found = attend(query, key, value, *args, **kwargs)
    return ops.reshape(ops.swapaxes(found, 1, 2), (batch, 1, heads, size))
