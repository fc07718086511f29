"""`BCQConfig` and `make_rules`: what they take, what they refuse."""

import json

import numpy as np
import pytest

import bcq_tf
from bcq_tf.config import BCQConfig, Rule, make_config, make_rules


def test_a_config_survives_json():
    config = BCQConfig(np.int64(2), np.int32(64), True, "greedy", "float32")
    assert BCQConfig(**json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("bits", range(1, 9))
def test_one_to_eight_bits(bits):
    assert BCQConfig(bits=bits).bits == bits


@pytest.mark.parametrize("bits", [0, 9, -1, 2.0, "3", None, True, np.array(3)])
def test_other_bits_are_refused(bits):
    with pytest.raises(ValueError, match="`bits` must be an integer from 1 to 8. Received: bits="):
        BCQConfig(bits=bits)


@pytest.mark.parametrize("group_size", [0, -32, 31, 48, 32.0, "32", True])
def test_other_group_sizes_are_refused(group_size):
    with pytest.raises(ValueError, match="`group_size` must be None or a positive multiple of 32"):
        BCQConfig(group_size=group_size)


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("offset", 1, TypeError),
        ("offset", None, TypeError),
        ("solver", "best", ValueError),
        ("solver", None, ValueError),
        ("scale_dtype", "float64", ValueError),
        ("scale_dtype", np.float16, ValueError),
    ],
)
def test_other_values_are_refused(field, value, error):
    with pytest.raises(error, match=f"`{field}` must be .* Received: {field}="):
        BCQConfig(**{field: value})


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("dense/kernel", "dense/kernel", True),
        ("dense/kernel", "model/dense/kernel", False),
        ("*kernel", "model/dense/kernel", True),
        ("*/dense_?/*", "model/dense_3/kernel", True),
        ("Dense*", "dense/kernel", False),
    ],
)
def test_patterns_are_shell_style(pattern, path, matches):
    assert Rule(pattern, None).matches(path) is matches


def test_rules_are_made_of_mappings_pairs_and_rules():
    default = BCQConfig(bits=4, offset=True)
    kept = Rule("a", None)
    mapping = {"b": 2, "c": None, "d": default, "e": {"group_size": 32, "axes": [1, 0]}}
    assert make_rules([kept, *mapping.items()], default) == (
        kept,
        Rule("b", BCQConfig(bits=2, offset=True)),
        Rule("c", None),
        Rule("d", default),
        Rule("e", BCQConfig(bits=4, group_size=32, offset=True), axes=(1, 0)),
    )
    assert make_rules(mapping, default) == make_rules(mapping.items(), default)
    assert make_rules(None, default) == ()


def test_a_rule_refuses_what_is_no_config():
    with pytest.raises(TypeError, match="`config` of a rule must be a BCQConfig or None"):
        Rule("a", 3)


def test_a_config_is_made_of_the_fields_that_are_given():
    assert make_config() == BCQConfig()
    config = BCQConfig(bits=2, group_size=64)
    assert make_config(config) is config


CALLS = {
    "quantize": lambda **settings: bcq_tf.quantize(np.ones((2, 64)), **settings),
    "quantize_model": lambda **settings: bcq_tf.quantize_model(None, **settings),
    "BCQCallback": lambda **settings: bcq_tf.BCQCallback(**settings),
}
SHORT = [
    {"bits": 3},
    {"group_size": None},
    {"offset": False},
    {"solver": "alternating"},
    {"scale_dtype": "auto"},
    {"bits": 0, "solver": "best"},
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("short", SHORT, ids=str)
def test_a_config_beside_its_fields_is_refused_whatever_they_are(call, short):
    shown = ", ".join(f"{name}={value!r}" for name, value in short.items())
    message = "`config` must be given alone or not at all. Received: BCQConfig"
    with pytest.raises(ValueError, match=f"^{message}.*, {shown}$"):
        CALLS[call](config=BCQConfig(), **short)


@pytest.mark.parametrize("call", CALLS)
def test_a_config_that_is_none_of_ours_is_refused(call):
    with pytest.raises(TypeError, match="`config` must be a BCQConfig or None. Received: config="):
        CALLS[call](config={"bits": 2})


@pytest.mark.parametrize("short", [{}, {"bits": 1}, {"bits": 2, "group_size": 32, "offset": True}])
def test_a_config_stands_for_its_fields(short):
    matrix = np.random.default_rng(0).normal(size=(3, 64))
    codes = bcq_tf.quantize(matrix, config=BCQConfig(**short))
    expected = bcq_tf.quantize(matrix, **short).arrays()
    assert all(np.array_equal(codes.arrays()[name], array) for name, array in expected.items())
    assert bcq_tf.BCQCallback(**short).config == BCQConfig(**short)
