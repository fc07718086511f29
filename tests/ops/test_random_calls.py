"""Random arguments of every compiled op: a result or an error, never a crash."""

import functools
import random

import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.ops import engine
from tests.ops import calls as good
from tests.ops.calls import eager, is_refused, traced, unknown_shapes, xla

pytestmark = pytest.mark.skipif(not engine.library(), reason="the compiled ops are not loaded")

SMALL = [0, 1, 2, 3, 4, 5, 7, 8, 20, 32, 64, 70, 100]
LARGE = [2**15, 2**31 - 1, 2**31, 2**32, 2**40, 2**44, 2**57, 2**60, 2**61, 2**62]
NUMBERS = [*SMALL, *LARGE, 2**63 - 32, 2**63 - 1, -1, -4, -(2**31), -(2**61), -(2**62), -(2**63)]
FLOATS = [0.0, 1.0, np.nan, np.inf, -1e30]


def random_tensor(rng, like):
    """Of the same dtype and mostly of a shape near that of `like`."""
    shape = list(like.shape)
    if rng.random() < 0.4:
        shape = [rng.choice(SMALL) for _ in range(rng.randrange(5))]
    elif shape and rng.random() < 0.5:
        shape[rng.randrange(len(shape))] = rng.choice(SMALL)
    while np.prod(shape) > 1e5:
        shape.pop()
    if like.dtype.is_floating:
        return tf.cast(tf.fill(shape, rng.choice(FLOATS)), like.dtype)
    limits = np.iinfo(like.dtype.as_numpy_dtype)
    pool = [n for n in NUMBERS if limits.min <= n <= (limits.max if rng.random() < 0.5 else 4)]
    numbers = [rng.choice(pool) for _ in range(np.prod(shape, dtype=int))]
    return tf.constant(np.array(numbers, like.dtype.as_numpy_dtype).reshape(shape))


def random_attribute(rng, value):
    if isinstance(value, (list, tuple)):
        kind = rng.randrange(3)
        if kind == 0 and value:
            changed = list(value)
            changed[rng.randrange(len(value))] = rng.choice(NUMBERS)
            return changed
        return [rng.choice(NUMBERS) for _ in range(len(value) if kind == 1 else rng.randrange(10))]
    if isinstance(value, tf.DType):
        return rng.choice([tf.float32, tf.float16, tf.bfloat16, tf.float64, tf.string])
    if isinstance(value, str):
        return rng.choice(["exact", "fast", ""])
    return rng.choice(NUMBERS) if rng.random() < 0.7 else value + rng.choice([-1, 1])


def changed(rng, call):
    """The call with one to four other arguments."""
    arguments = {}
    count = min(rng.choice([1, 1, 1, 2, 3, 4]), len(call.arguments))
    for name in rng.sample(list(call.arguments), count):
        value = call.arguments[name]
        if not isinstance(value, tf.Tensor):
            arguments[name] = random_attribute(rng, value)
        elif value.dtype == tf.resource:
            arguments[name] = rng.choice(list(good.other_variables().values()))
        else:
            arguments[name] = random_tensor(rng, value)
    return call.but(**arguments)


def large_shapes(rng, call):
    """Other shapes of some tensors, of more elements than memory holds."""
    shapes = {}
    for name, value in call.tensors.items():
        shape = list(value.shape)
        if shape and value.dtype != tf.resource and rng.random() < 0.5:
            shape[rng.randrange(len(shape))] = rng.choice(SMALL + LARGE)
            if np.prod(shape, dtype=float) < 2**60:  # of larger ones TensorFlow's own ops abort
                shapes[name] = shape
    return shapes


def large(rng, call, jit):
    """Traced with tensors that nobody makes, or compiled with tensors that XLA need not make."""
    shapes = large_shapes(rng, call)

    def first_of_results():
        tensors = {n: tf.zeros(shape, call.tensors[n].dtype) for n, shape in shapes.items()}
        return [tf.reshape(result, [-1])[:1] for result in tf.nest.flatten(call(**tensors))]

    function = tf.function(first_of_results, jit_compile=jit)
    function() if jit else function.get_concrete_function().graph.as_graph_def(add_shapes=True)


_calls = functools.cache(good.calls)


def run(seed):
    """One call; whether it gave a result."""
    rng, calls = random.Random(seed), _calls()
    call = changed(rng, calls[rng.choice(sorted(calls))])
    kind = rng.randrange(10)
    if kind < 7:
        road = xla if kind == 6 else rng.choice([eager, eager, traced, unknown_shapes])
        return not is_refused(road, call)
    return not is_refused(large, rng, call, kind == 9)


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_random_arguments(first):
    """Seeds `first` to `first` + 49."""
    results = [run(seed) for seed in range(first, first + 50)]
    assert any(results)
    assert not all(results)
