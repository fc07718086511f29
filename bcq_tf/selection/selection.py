"""Which weights of a model are quantized, each seen as which matrix: `select`."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable

import keras

from bcq_tf.codes import MatrixView
from bcq_tf.config import GROUP_MULTIPLE, BCQConfig, Rule, check_row_bits, make_config, make_rules
from bcq_tf.selection.layer_views import NoView, check_products_float, view_weights

SHORTEST_ROW = GROUP_MULTIPLE


@dataclasses.dataclass(frozen=True, eq=False)
class Weight:
    """A weight of a model.

    Args:
        position: its index in `model.weights`.
        path: its label, see `select`.
        variable: the Keras variable.
    """

    position: int
    path: str
    variable: keras.Variable


@dataclasses.dataclass(frozen=True, eq=False)
class Chosen(Weight):
    """One to quantize: seen as the matrix [R, C] of `view`, as `config` says."""

    view: MatrixView
    config: BCQConfig


@dataclasses.dataclass(frozen=True, eq=False)
class Skipped(Weight):
    """One that is left as it is; why, as a phrase for the report, for example "bias"."""

    reason: str


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """What `select` decided: every weight of the model is in one of two tuples, once.

    Args:
        chosen: the weights to quantize, in the order of `model.weights`.
        skipped: the weights that are left as they are, in that order.

    Example:
        >>> denses = [keras.layers.Dense(8), keras.layers.Dense(4)]
        >>> model = keras.Sequential([keras.Input((64,)), *denses])
        >>> plan = bcq_tf.select(model, rules={"*dense_1*": None})
        >>> len(plan.chosen), len(plan.skipped), len(plan.weights)
        (1, 3, 4)
    """

    chosen: tuple[Chosen, ...]
    skipped: tuple[Skipped, ...]

    @classmethod
    def of(cls, weights: Iterable[Weight]) -> Plan:
        """The plan of a model's weights, given in the order of `model.weights`."""
        weights = tuple(weights)
        return cls(
            tuple(weight for weight in weights if isinstance(weight, Chosen)),
            tuple(weight for weight in weights if isinstance(weight, Skipped)),
        )

    @property
    def weights(self) -> list[Weight]:
        """All of them, in the order of `model.weights`."""
        return sorted((*self.chosen, *self.skipped), key=lambda weight: weight.position)


def select(model, config: BCQConfig | None = None, rules=None) -> Plan:
    """Decides for each weight of a model whether it is quantized, and how.

    Chosen are the weights that layers of known types (`bcq_tf.selection.layer_views`) multiply or
    look up: kernels and embedding tables. Skipped are biases, normalization, weights of rank 0
    or 1, of layer types that are not known, of packed embeddings, of rows shorter than 32, and
    what a rule sets to None. A weight that several layers share stands in `model.weights` once, and
    so in the plan.

    Rules match on a weight's path, `variable.path`. Where weights of a model have equal paths, the
    second is labelled "path#2", the third "path#3"; a rule may match path or label. The first rule
    that matches wins. A rule that gives a config also includes short rows, and with `axes` the
    weights of unknown layer types.

    Args:
        model: a built Keras model, or a layer.
        config: the `BCQConfig` of weights that no rule speaks of; None for the default one.
        rules: exceptions, see `bcq_tf.config.make_rules`.

    Returns:
        A `Plan`.

    Raises:
        TypeError: `model` is no Keras model, `config` no BCQConfig.
        ValueError: the model is not built; a layer other than an embedding is packed; a rule
            matches no weight; a rule's `axes` do not fit.

    Example:
        >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32)])
        >>> plan = bcq_tf.select(model, bcq_tf.BCQConfig(bits=2))
        >>> [weight.view.matrix_shape for weight in plan.chosen]
        [(32, 64)]
        >>> [weight.reason for weight in plan.skipped]
        ['bias']
    """
    config = make_config(config)
    _check_built(model)
    rules = make_rules(rules, config)
    labels = unique_labels([variable.path for variable in model.weights])
    _check_rules(rules, model.weights, labels)
    weights = zip(model.weights, labels, view_weights(model), strict=True)
    return Plan.of(_decide(i, *weight, rules, config) for i, weight in enumerate(weights))


def unique_labels(paths: list[str]) -> list[str]:
    """Makes paths distinct: ["a", "b", "a"] becomes ["a", "b", "a#2"]."""
    labels = {}  # a dict keeps the order and finds fast
    for path in paths:
        label, count = path, 1
        while label in labels or (count > 1 and label in paths):
            count += 1
            label = f"{path}#{count}"
        labels[label] = None
    return list(labels)


def _decide(position, variable, label, view, rules, default: BCQConfig) -> Weight:
    rule = _first_match(rules, variable.path, label)
    view = _apply_rule(variable, label, view, rule)
    if isinstance(view, NoView):
        return Skipped(position, label, variable, view.reason)
    config = rule.config if rule else default
    check_row_bits(config, view.matrix_shape[0], f" (weight {label!r})")
    return Chosen(position, label, variable, view, config)


def _apply_rule(variable, label: str, view, rule: Rule | None) -> MatrixView | NoView:
    """The view of a weight once its rule has spoken, or the reason why it stays float."""
    if isinstance(view, NoView) and not view.axes_help:
        return view
    if rule and rule.config is None:
        return NoView(f"rule {rule.pattern!r}")
    if rule and rule.axes is not None:
        return _view_by_axes(variable, label, view, rule)
    if isinstance(view, NoView):
        return NoView(f"{view.reason}; a rule with `axes` includes it")
    columns = view.matrix_shape[1]
    if columns < SHORTEST_ROW and not rule:
        return NoView(f"rows of {columns}, shorter than {SHORTEST_ROW}; a rule includes it")
    return view


def _view_by_axes(variable, label: str, view, rule: Rule) -> MatrixView:
    shape = tuple(variable.shape)
    rank = len(shape)
    columns = tuple(axis + rank if axis < 0 else axis for axis in rule.axes)
    rows = tuple(axis for axis in range(rank) if axis not in columns)
    if sorted(rows + columns) != list(range(rank)) or not rows:
        raise ValueError(
            f"`axes` of rule {rule.pattern!r} must be some, not all, of the {rank} axes of weight "
            f"{label!r}. Received: axes={rule.axes}"
        )
    if isinstance(view, MatrixView) and sorted(columns) != sorted(view.columns):
        raise ValueError(
            f"`axes` of rule {rule.pattern!r} must be {view.columns} or left out for weight "
            f"{label!r}, whose layer type is known. Received: axes={rule.axes}"
        )
    return view if isinstance(view, MatrixView) else MatrixView(shape, rows, columns)


def _first_match(rules: tuple[Rule, ...], path: str, label: str) -> Rule | None:
    return next((rule for rule in rules if rule.matches(path, label)), None)


def _check_built(model) -> None:
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"`model` must be a Keras model or layer. Received: model={model!r}")
    check_products_float(model)
    if not model.built or not model.weights:
        raise ValueError(
            "`model` must be built and have weights: give it an input shape or call it once. "
            f"Received: model {model.name!r}, which has no weights"
        )


def _check_rules(rules: tuple[Rule, ...], weights, labels: list[str]) -> None:
    for rule in rules:
        if rule.matches(*labels, *(variable.path for variable in weights)):
            continue
        close = difflib.get_close_matches(rule.pattern.replace("*", ""), labels, cutoff=0.3)
        raise ValueError(
            "`rules` must have patterns that match the path of a weight. "
            f"Received: {rule.pattern!r}. Close paths: {', '.join(close or labels[:3])}"
        )
