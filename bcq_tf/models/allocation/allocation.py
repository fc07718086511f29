"""`allocate`: how many bits each weight of a model gets, and each row of its tables."""

from __future__ import annotations

import dataclasses
import glob
import math

from bcq_tf._keras import as_array
from bcq_tf.codes.float_range import largest_magnitude
from bcq_tf.config import (
    AUTO,
    E5M4,
    BCQConfig,
    Rule,
    check_bits,
    check_group_size,
    check_positive,
    make_config,
    make_rules,
)
from bcq_tf.models.allocation import budget as budgets
from bcq_tf.models.allocation.costs import Costs, costs_of
from bcq_tf.models.calibration.batches import batches_of
from bcq_tf.models.calibration.moments import Calibration
from bcq_tf.reports.progress import progress
from bcq_tf.selection.selection import Chosen, Plan, select
from bcq_tf.shown import short

BITS = (1, 2, 3, 4)
GROUP_SIZES = (None, 128, 64)  # of which each weight gets the one that serves it best
LEAST, MOST = 2**-9, 2**12  # the largest of weights whose scales are within the range of E5M4


def allocate(
    model,
    budget: float | None = None,
    *,
    nbytes: int | None = None,
    calibration,
    bits: tuple[int, ...] = BITS,
    group_sizes: tuple[int | None, ...] | None = None,
    config: BCQConfig | None = None,
    rules=None,
    batch_size: int = 32,
    verbose: bool = False,
) -> dict[str, dict]:
    """Spends a budget of bits where they lower the model's loss most.

    Each weight gets a number of bits, and each row of a table that is looked up or gives logits its
    own, so that frequent words have more than rare ones. What errors cost is estimated to second
    order from the gradients of the loss on samples; nothing is measured by trying.

    Args:
        model: a built Keras model, compiled with a loss, on the TensorFlow backend. Of a loss that
            is a known likelihood labels are drawn from the model itself; others need targets.
        budget: bits of a weight, scales and all that codes take included.
        nbytes: in place of it, what all weights may take in the file, those that stay float too.
        calibration, batch_size: samples, see `bcq_tf.quantize_model`.
        bits: the numbers of bits to choose from.
        group_sizes: those to choose from for each weight; by default its own, or where it has
            none, whole rows and groups of 128 and of 64.
        config: what is common to all weights; None for the default.
        rules: see `bcq_tf.select`; weights whose bits a rule says keep these.
        verbose: whether stderr shows how many weights are looked at.

    Returns:
        Rules as `quantize_model` and `BCQCallback` take them: a dict that JSON can hold, with
        "bits", or "row_bits" with a digit for each row, by the path of each weight.

    Raises:
        ValueError, TypeError: an argument breaks its rule, the budget cannot be met (what can be is
            said), or the model does not take the calibration data.

    Example:
        >>> inputs = keras.Input((64,))
        >>> model = keras.Sequential([inputs, keras.layers.Dense(32), keras.layers.Dense(4)])
        >>> model.compile(loss="mse")
        >>> x = np.random.default_rng(0).normal(size=(256, 64)).astype("float32")
        >>> rules = bcq_tf.allocate(model, 3.0, calibration=x, rules={"*dense_1/kernel": None})
        >>> list(rules.values())
        [{'bits': 2, 'group_size': None}, None]
    """
    config = make_config(config)
    _check(budget, nbytes)
    bits = tuple(sorted({check_bits(b) for b in bits}))
    if group_sizes is not None:
        group_sizes = tuple(check_group_size(size) for size in group_sizes)
    select(model, config, rules)  # raises where it would
    samples = Calibration(model, batches_of(model, calibration, batch_size), squares=True)
    return spend(
        samples, config, rules, budget, nbytes=nbytes, bits=bits, sizes=group_sizes, verbose=verbose
    )


def spend(
    samples: Calibration,
    config: BCQConfig,
    rules,
    budget: float | None = None,
    *,
    nbytes: int | None = None,
    bits: tuple[int, ...] = BITS,
    sizes: tuple[int | None, ...] | None = None,
    verbose: bool = False,
) -> dict[str, dict]:
    """`allocate` with what samples tell, which has squares."""
    model = samples.model
    plan = select(model, config, rules)
    limit = _limit(plan, budget, nbytes)
    grid = _grid(plan, _free(model, config, rules), bits, sizes)
    options = _options(plan, grid, samples, verbose)
    _check_reach(options, limit, plan, nbytes)
    choices = budgets.choose(options, limit)
    return _as_rules(plan, options, choices, make_rules(rules, config))


def _check(budget, nbytes) -> None:
    if (budget is None) == (nbytes is None):
        both = "neither" if budget is None else f"budget={short(budget)}, nbytes={short(nbytes)}"
        raise ValueError(f"`budget` or `nbytes` must be given, not both. Received: {both}")
    check_positive(*(("budget", budget) if nbytes is None else ("nbytes", nbytes)))


def _limit(plan: Plan, budget, nbytes) -> float:
    # Bytes of all codes.
    if nbytes is None:
        return budget * _size(plan) / 8
    return nbytes - sum(as_array(weight.variable).nbytes for weight in plan.skipped)


def _size(plan: Plan) -> int:
    return sum(math.prod(weight.view.shape) for weight in plan.chosen)


def _free(model, config: BCQConfig, rules) -> set[int]:
    """The positions of weights whose number of bits no rule says."""
    plans = [select(model, dataclasses.replace(config, bits=b), rules) for b in (1, 2)]
    pairs = zip(*(plan.chosen for plan in plans), strict=True)
    return {one.position for one, other in pairs if one.config != other.config}


def _grid(plan: Plan, free: set[int], bits, sizes) -> list[list[list[BCQConfig]]]:
    """For each weight and each group size the settings to choose from."""
    return [
        [
            [dataclasses.replace(weight.config, bits=b, **fields) for b in bits]
            for fields in _scales(weight, sizes)
        ]
        if weight.position in free
        else [[weight.config]]
        for weight in plan.chosen
    ]


def _scales(weight: Chosen, given) -> list[dict]:
    """What there is to choose from of how scales are shared and stored, as fields of a config."""
    dtype = groups = weight.config.scale_dtype
    if dtype == AUTO:
        within = LEAST <= largest_magnitude(as_array(weight.variable)) <= MOST
        dtype, groups = (AUTO, E5M4) if within else ("float32", "float32")
    return [
        {"group_size": size, "scale_dtype": dtype if size is None else groups}
        for size in _sizes(weight, given)
    ]


def _sizes(weight: Chosen, given) -> list[int | None]:
    own, columns = weight.config.group_size, weight.view.matrix_shape[1]
    sizes = given or (GROUP_SIZES if own is None else (own,))
    # A group that holds a whole row is one.
    groups = {None if size is None else min(size, columns): size for size in reversed(sizes)}
    if None in groups:
        groups.pop(columns, None)
    return list(groups.values())[::-1]


def _options(plan: Plan, grid, samples: Calibration, verbose: bool) -> list[list[Costs]]:
    tables, found, unknown, done = samples.tables(plan.chosen), [], [], 0
    with progress(f"looking at {_size(plan):,} weights", _size(plan), verbose) as show:
        for (weight, uses), sizes in zip(samples.uses(plan.chosen), grid, strict=True):
            matrix = weight.view.to_matrix(as_array(weight.variable))
            by_rows = weight.position in tables and len(sizes[0]) > 1
            if not any(use.squares.any() for use in uses):
                unknown.append(len(found))
                uses = []
            found.append(costs_of(matrix, uses, samples.samples, sizes, by_rows))
            done += matrix.size
            show(done)
    return _with_unknown(found, unknown, [math.prod(w.view.shape) for w in plan.chosen])


def _with_unknown(found: list[list[Costs]], unknown: list[int], sizes: list[int]):
    """The costs, where weights of which samples tell nothing matter as much as others do."""
    known = [i for i in range(len(found)) if i not in unknown]
    density = sum(found[i][0].losses[:, 0].sum() for i in known) / max(
        1, sum(sizes[i] for i in known)
    )
    for i in unknown:
        largest = found[i][0].losses[:, 0].sum()
        scale = density * sizes[i] / largest if largest and density else 1.0
        found[i] = [dataclasses.replace(c, losses=scale * c.losses) for c in found[i]]
    return found


def _check_reach(options: list[list[Costs]], limit: float, plan: Plan, nbytes) -> None:
    least, most = budgets.least_bytes(options), budgets.most_bytes(options)
    if least <= limit and (limit <= most or nbytes is not None):
        return
    per_weight = 8 / _size(plan)
    if nbytes is None:
        raise ValueError(
            f"`budget` must be from {math.ceil(least * per_weight * 100) / 100} to "
            f"{math.floor(most * per_weight * 100) / 100} bits a weight for this model and these "
            f"`bits`. Received: budget={limit * per_weight:.4g}"
        )
    floats = nbytes - limit
    raise ValueError(
        f"`nbytes` must be {math.ceil(least + floats)} or more for this model and these `bits`. "
        f"Received: nbytes={nbytes}"
    )


def _as_rules(plan: Plan, options, choices, given: tuple[Rule, ...]) -> dict[str, dict | None]:
    rules = {}
    for weight, costs, (which, chosen) in zip(plan.chosen, options, choices, strict=True):
        configs = [costs[which].configs[i] for i in chosen]
        axes = next((rule.axes for rule in given if rule.matches(weight.path)), None)
        rules[glob.escape(weight.path)] = _fields(configs) | ({"axes": list(axes)} if axes else {})
    # A label such as "path#2" before the path, which both weights have.
    numbered = {path: rules.pop(path) for path in [p for p in rules if "#" in p]}
    return numbered | rules | {rule.pattern: None for rule in given if rule.config is None}


def _fields(configs: list[BCQConfig]) -> dict:
    default = BCQConfig().to_dict()
    bits = {config.bits for config in configs}
    fields = {"bits": bits.pop()}
    if bits:
        fields = {"row_bits": "".join(str(config.bits) for config in configs)}
    others = {k: v for k, v in configs[0].to_dict().items() if k not in ("bits", "row_bits")}
    if configs[0].row_bits:
        fields = {"row_bits": configs[0].row_bits}
    return fields | {k: v for k, v in others.items() if k == "group_size" or v != default[k]}
