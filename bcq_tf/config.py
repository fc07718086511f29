"""How a weight is quantized, and which weights: `BCQConfig` and rules."""

from __future__ import annotations

import dataclasses
import fnmatch
import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

from bcq_tf.shown import short

SOLVERS = ("alternating", "greedy", "uniform")
FLOAT_DTYPES = ("float16", "float32")  # in which codes are held
E5M4 = "e5m4"  # see `bcq_tf.codes.scale_dtypes`
SCALE_DTYPES = (E5M4, *FLOAT_DTYPES)
AUTO = "auto"
SCOPES = ("attention", "linear", "embedding", "convolution", "recurrent")  # see `bcq_tf.scopes`
ALL_SCOPES = "all"
GROUP_MULTIPLE = 32
MAX_BITS = 8


@dataclasses.dataclass(frozen=True)
class BCQConfig:
    """How one weight matrix [R, C] becomes binary codes.

    Args:
        bits: number of bit planes, 1 to 8.
        group_size: columns that share one set of scales, a multiple of 32; None shares them along
            the whole row.
        offset: whether each group also has an additive offset (for skewed weights).
        solver: "alternating" (least squares, the best), "greedy" (one plane after the other) or
            "uniform" (equally spaced levels with the best clipping limit).
        scale_dtype: the dtype of scales and offsets: "float16", "float32", "auto", which is float16
            for the weights whose scales it holds and float32 for others, or "e5m4": scales of 9
            bits in files, 5 of exponent and 4 of mantissa, held as float16, as offsets are.
        row_bits: a digit for each of the R rows, where they have different numbers of bits, such as
            "4421"; `bits` is then the most of them.

    Raises:
        ValueError, TypeError: an argument breaks its rule.

    Example:
        >>> bcq_tf.BCQConfig(bits=2, group_size=128)
        BCQConfig(bits=2, group_size=128, offset=False, solver='alternating', scale_dtype='auto')
    """

    bits: int = 3
    group_size: int | None = None
    offset: bool = False
    solver: str = "alternating"
    scale_dtype: str = AUTO
    row_bits: str | None = None

    def __post_init__(self):
        if self.row_bits is not None:
            object.__setattr__(self, "bits", _most_bits(self.row_bits))
        # NumPy integers become plain ones, which JSON can hold.
        object.__setattr__(self, "bits", check_bits(self.bits))
        object.__setattr__(self, "group_size", check_group_size(self.group_size))
        check_flag("offset", self.offset)
        check_choice("solver", self.solver, SOLVERS)
        check_choice("scale_dtype", self.scale_dtype, (AUTO, *SCALE_DTYPES))

    def with_at_least(self, bits: int) -> BCQConfig:
        """The same with this many bits where there are fewer, of rows too."""
        rows = self.row_bits and "".join(max(digit, str(bits)) for digit in self.row_bits)
        return dataclasses.replace(self, bits=max(bits, self.bits), row_bits=rows)

    def to_dict(self) -> dict:
        """Returns the fields as a JSON-able dict; `BCQConfig(**d)` makes the same value."""
        fields = dataclasses.asdict(self)
        return {name: fields[name] for name in fields if name != "row_bits" or fields[name]}

    def __repr__(self) -> str:
        shown = {k: short(v) if k == "row_bits" else repr(v) for k, v in self.to_dict().items()}
        return f"BCQConfig({', '.join(f'{name}={value}' for name, value in shown.items())})"


FIELDS = tuple(field.name for field in dataclasses.fields(BCQConfig))


class _Unset:
    def __repr__(self) -> str:
        return "<that of BCQConfig>"


UNSET: Any = _Unset()
"""The default of arguments that are fields of a `BCQConfig`."""


def make_config(config: BCQConfig | None = None, *values) -> BCQConfig:
    """`config`, or one made of the `values` of its fields, in their order, that are not `UNSET`.

    Raises:
        TypeError: `config` is neither a BCQConfig nor None.
        ValueError: it is given and a value is, too; or a value breaks its rule.
    """
    pairs = zip(FIELDS, values, strict=False)
    given = {name: value for name, value in pairs if value is not UNSET}
    if config is None:
        return BCQConfig(**given)
    if not isinstance(config, BCQConfig):
        raise TypeError(f"`config` must be a BCQConfig or None. Received: config={short(config)}")
    if given:
        shown = ", ".join(f"{name}={short(value)}" for name, value in given.items())
        raise ValueError(f"`config` must be given alone or not at all. Received: {config}, {shown}")
    return config


def replace_fields(
    config: BCQConfig, fields: Mapping, argument: str, others: tuple[str, ...] = ()
) -> BCQConfig:
    """`config` with other values of some `fields`; `others` may be among them, and change nothing.

    Raises:
        ValueError, TypeError: there is no such field, or one breaks its rule; the `argument` that
            they come from is named.
    """
    known = [*FIELDS, *others]
    unknown = sorted(set(fields) - set(known), key=str)
    if unknown:
        raise ValueError(f"`{argument}` may set {known}. Received: {unknown[0]!r}")
    return dataclasses.replace(config, **{k: v for k, v in fields.items() if k not in others})


@dataclasses.dataclass(frozen=True)
class Rule:
    """What happens to the weights whose path matches a pattern.

    Args:
        pattern: shell-style pattern on the weight's path, for example "*/embedding/*" or
            "decoder*kernel" ("*" also crosses slashes; case matters).
        config: the `BCQConfig` to use, or None to leave the weight float.
        axes: for a weight that the library does not know by its layer's type: the reduction axes
            (columns) of the weight as a tuple of ints; the other axes become rows.

    Example:
        >>> rule = bcq_tf.Rule("*embedding*", bcq_tf.BCQConfig(bits=4))
        >>> rule.matches("decoder/token_embedding/embeddings")
        True
    """

    pattern: str
    config: BCQConfig | None
    axes: tuple[int, ...] | None = None

    def __post_init__(self):
        if not isinstance(self.pattern, str) or not self.pattern:
            raise TypeError(
                f"`pattern` of a rule must be a non-empty string. Received: {self.pattern!r}"
            )
        if self.config is not None and not isinstance(self.config, BCQConfig):
            raise TypeError(
                f"`config` of a rule must be a BCQConfig or None. Received: config={self.config!r}"
            )
        if self.axes is not None:
            object.__setattr__(self, "axes", _check_axes(self.axes))

    def matches(self, *paths: str) -> bool:
        """Whether this rule speaks of the weight that has one of these paths."""
        return matches(self.pattern, *paths)


def matches(pattern: str, *paths: str) -> bool:
    """Whether a shell-style pattern matches one of the paths; case matters."""
    return any(fnmatch.fnmatchcase(path, pattern) for path in paths)


def make_rules(rules, default: BCQConfig) -> tuple[Rule, ...]:
    """Normalises what users write as rules.

    Args:
        rules: None; a mapping {pattern: value}; or an iterable of `Rule`s and (pattern, value)
            pairs. A value is a `BCQConfig`, a number of bits, a dict of the fields that differ
            from `default` (and of the rule's `axes`, if any), or None (stay float).
        default: the `BCQConfig` that partial values are completed from.

    Returns:
        A tuple of `Rule`s in order; the first that matches a path wins.

    Raises:
        ValueError, TypeError: a rule is not one of these; the message names its pattern.
    """
    if rules is None:
        return ()
    if isinstance(rules, str) or not isinstance(rules, Iterable):
        raise TypeError(
            f"`rules` must be a mapping or a list of (pattern, value) pairs. Received: {rules!r}"
        )
    items = rules.items() if isinstance(rules, Mapping) else rules
    return tuple(_make_rule(item, default) for item in items)


def check_bits(bits) -> int:
    """`bits` as an int; raises ValueError unless it is one from 1 to 8."""
    return check_integer("bits", bits, 1, MAX_BITS)


def _most_bits(row_bits) -> int:
    if not isinstance(row_bits, str) or not row_bits or row_bits.strip("12345678"):
        raise ValueError(
            "`row_bits` must be a string of a digit from 1 to 8 for each row. "
            f"Received: row_bits={short(row_bits)}"
        )
    return int(max(row_bits))


def check_row_bits(config: BCQConfig, rows: int, where: str = "") -> None:
    """Raises ValueError unless `config.row_bits`, if any, are those of so many rows.

    where: for the message, " (weight 'a')" for example.
    """
    if config.row_bits is not None and len(config.row_bits) != rows:
        raise ValueError(
            f"`row_bits` must have a digit for each of {rows} rows. "
            f"Received: {len(config.row_bits)} digits{where}"
        )


def check_integer(name: str, value, least: int, most: int | None = None) -> int:
    """`value` as an int; raises ValueError unless it is an integer from `least` to `most`.

    name: of the argument. most: None for no end.
    """
    if is_integer(value) and least <= value and (most is None or value <= most):
        return int(value)  # NumPy's small integers overflow
    rule = f"an integer from {least} to {most}"
    if most is None:
        rule = "a positive integer" if least == 1 else f"an integer from {least} upwards"
    raise ValueError(f"`{name}` must be {rule}. Received: {name}={short(value)}")


def check_flag(name: str, value) -> bool:
    """`value`, the argument `name`; raises TypeError unless it is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"`{name}` must be True or False. Received: {name}={short(value)}")
    return value


def check_positive(name: str, value) -> None:
    """Raises ValueError unless `value`, the argument `name`, is a positive, finite number."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:
        raise ValueError(f"`{name}` must be a positive number. Received: {name}={short(value)}")


def check_budget(budget, bits, calibration) -> None:
    """Raises ValueError unless `budget` is None or a number, without `bits` and with samples."""
    if budget is None:
        return
    check_positive("budget", budget)
    if bits is not UNSET:
        raise ValueError(f"`budget` must be given without `bits`. Received: {budget=}, {bits=}")
    if calibration is None:
        raise ValueError(f"`budget` needs `calibration`, samples of data. Received: {budget=}")


def check_tune(tune, calibration) -> None:
    """Raises ValueError unless `tune` is an integer >= 0, and 0 without samples."""
    if not is_integer(tune) or tune < 0:
        raise ValueError(f"`tune` must be an integer >= 0. Received: tune={short(tune)}")
    if tune and calibration is None:
        raise ValueError(f"`tune` needs `calibration`, samples of data. Received: tune={tune}")


def is_integer(value) -> bool:
    """Whether `value` is an int or one of NumPy's integers; its arrays have `__index__` too."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def check_group_size(group_size) -> int | None:
    """`group_size` as an int or None; raises unless it is None or a positive multiple of 32."""
    if group_size is None:
        return None
    if not is_integer(group_size) or group_size <= 0 or group_size % GROUP_MULTIPLE:
        raise ValueError(
            f"`group_size` must be None or a positive multiple of {GROUP_MULTIPLE}. "
            f"Received: group_size={short(group_size)}"
        )
    return int(group_size)


def _make_rule(item, default: BCQConfig) -> Rule:
    if isinstance(item, Rule):
        return item
    try:
        pattern, value = item
    except (TypeError, ValueError):
        raise TypeError(
            f"`rules` must hold Rule objects or (pattern, value) pairs. Received: {item!r}"
        ) from None
    try:
        axes = value.get("axes") if isinstance(value, Mapping) else None
        return Rule(pattern, _make_config(value, default), axes)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error} (rule {pattern!r})") from None


def _make_config(value, default: BCQConfig) -> BCQConfig | None:
    if value is None or isinstance(value, BCQConfig):
        return value
    fields = value if isinstance(value, Mapping) else {"bits": value}
    return replace_fields(default, fields, "rules", others=("axes",))


def _check_axes(axes) -> tuple[int, ...]:
    if not isinstance(axes, (tuple, list)) or not all(is_integer(axis) for axis in axes):
        raise TypeError(f"`axes` of a rule must be a tuple of integers. Received: axes={axes!r}")
    if not axes or len(set(axes)) != len(axes):
        raise ValueError(f"`axes` of a rule must be distinct integers. Received: axes={axes!r}")
    return tuple(int(axis) for axis in axes)


def check_choice(name: str, value, choices: tuple[str, ...]) -> None:
    """Raises unless `value`, the argument `name`, is one of `choices`."""
    # Not compared with what is of another type: an array would be, value by value.
    if not any(isinstance(value, type(choice)) and value == choice for choice in choices):
        raise ValueError(
            f"`{name}` must be one of {list(choices)}. Received: {name}={short(value)}"
        )
