"""`PackedGenerator`: how a packed task of KerasHub generates."""

from __future__ import annotations

import contextvars
import functools
import inspect

import keras

from bcq_tf import native
from bcq_tf._keras import (
    CompiledByXla,
    grouped_queries,
    reads_hidden_states,
    replaced_methods,
)
from bcq_tf.layers.packed_task import PackedTask
from bcq_tf.ops import engine

LEAST_ROWS = 16
PARTS = 8
CACHE_RANK = 6  # [batch, layers, key and value, positions, heads, dimensions]
LAYERS = "bcq_tf_layers"  # no task's own cache has this key
_prompt_rows = contextvars.ContextVar("bcq_tf_prompt_rows", default=None)
_under_xla = contextvars.ContextVar("bcq_tf_under_xla", default=False)


class PackedGenerator(CompiledByXla, PackedTask):
    """Stands before `PackedModel` in the class of a packed task that generates tokens.

    `compile(jit_compile="auto")` chooses XLA where the compiled calls of our ops are there.

    KerasHub computes keys and values of all positions up to `max_length` before the first token,
    and those after the prompt again later. Here the prompt is read in parts of a few positions,
    as many as it has: a loop, since XLA has to know sizes. And XLA copies the whole cache for every
    token, more than once: what it compiles keeps one for each layer.
    """

    def gains_by_xla(self) -> bool:
        """Whether our compiled ops are calls of XLA: the plain ones gain nothing for sure."""
        return engine.library() is not None and native.library(native.XLA) is not None

    def make_generate_function(self):
        """As the float task's."""
        if not getattr(self, "jit_compile", True):
            return super().make_generate_function()
        with replaced_methods((self, "generate_step", self._generate_step_under_xla)):
            return super().make_generate_function()

    def _generate_step_under_xla(self, *args, **kwargs):
        token = _under_xla.set(True)
        try:
            with grouped_queries(self):
                return self.generate_step(*args, **kwargs)
        finally:
            _under_xla.reset(token)

    def generate_step(self, inputs, *args, **kwargs):
        """As the float task's, with the prompt read in parts."""
        token = _prompt_rows.set(prompt_rows(inputs) if reads_in_parts(self, inputs) else None)
        try:
            return super().generate_step(inputs, *args, **kwargs)
        finally:
            _prompt_rows.reset(token)

    def call_with_cache(self, token_ids, cache, cache_update_index, **others):
        """As the float task's; where that fills the cache for a prompt, with no logits."""
        rows, one = _prompt_rows.get(), functools.partial(_by_layer, super().call_with_cache)
        length = token_ids.shape[1]
        fills = rows is not None and isinstance(cache_update_index, int)
        size = part_rows(length) if fills else length
        if size == length or len(getattr(cache, "shape", ())) != CACHE_RANK:
            return one(token_ids, cache, cache_update_index, **others)

        def read(first, cache):
            # The last part may have positions of the one before, whose values stay the same.
            start = keras.ops.minimum(first, length - size)
            part = keras.ops.slice(token_ids, [0, start], [keras.ops.shape(token_ids)[0], size])
            return first + size, one(part, cache, start)[2]

        first = keras.ops.zeros((), "int32")
        _, cache = keras.ops.while_loop(
            lambda first, _: first < rows, read, (first, _divided(cache))
        )
        return None, None, cache


def _by_layer(call, token_ids, cache, *args, **kwargs):
    """`call_with_cache` of a cache that may be `_divided`."""
    if isinstance(cache, dict) and LAYERS in cache:
        cache = keras.ops.stack(cache[LAYERS], axis=1)
    logits, hidden_states, cache = call(token_ids, cache, *args, **kwargs)
    return logits, hidden_states, _divided(cache)


def _divided(cache):
    """Each layer's cache, under XLA, where both taking it apart and stacking it cost nothing."""
    divides = _under_xla.get() and _prompt_rows.get() is not None
    if not divides or len(getattr(cache, "shape", ())) != CACHE_RANK:
        return cache
    return {LAYERS: [cache[:, layer] for layer in range(cache.shape[1])]}


def part_rows(length: int) -> int:
    """Positions of a prompt that are read at a time, where there is room for `length` ones.

    So few that not many are read in vain, so many that copies of the cache do not count.
    """
    least = -(-length // PARTS)
    return min(length, -(-least // LEAST_ROWS) * LEAST_ROWS)


def prompt_rows(inputs):
    """How many positions are to be read before the first token is generated.

    The last one of the shortest prompt is read again then, and what follows it.
    """
    ops, mask = keras.ops, inputs["padding_mask"]
    shortest = ops.min(ops.sum(ops.cast(mask, "int32"), axis=-1))
    return ops.where(shortest > 0, shortest - 1, mask.shape[1])


def reads_in_parts(task: PackedGenerator, inputs) -> bool:
    """Whether the task's cache has a place for each position and its prompt is tokens alone."""
    call = getattr(super(PackedGenerator, task), "call_with_cache", None)
    if call is None or set(inputs) != {"token_ids", "padding_mask"}:
        return False
    known = list(inspect.signature(call).parameters) == ["token_ids", "cache", "cache_update_index"]
    return (
        known and inputs["token_ids"].shape[1] is not None and not reads_hidden_states(task.sampler)
    )
