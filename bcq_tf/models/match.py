"""Which weight of a file is which weight of a model: `match_model`."""

from __future__ import annotations

import re

from bcq_tf._keras import weight_places
from bcq_tf.files.stored_weights import StoredWeight
from bcq_tf.shown import short

_MOST_SHOWN = 3


def match_model(model, stored: list[StoredWeight]) -> list[StoredWeight]:
    """The file's weights in the order of `model.weights`.

    Weights are found by their places, where file and model have the same ones: an output that is
    called "mean" is that, whichever comes first. Otherwise position and shape decide, unless places
    that both have contradict them. Names that Keras numbers decide nothing.

    Raises:
        ValueError: they are not the model's; the message has the first differences.
    """
    places, variables = weight_places(model), model.weights
    by_place = {weight.place: weight for weight in stored}
    if set(by_place) == set(places):
        stored = [by_place[place] for place in places]
        differing = _differing(stored, variables, set())
    else:
        pairs = enumerate(zip(stored, variables, strict=False))
        renamed = {i for i, pair in pairs if not _same_name(*pair)}
        differing = _differing(stored, variables, renamed | _swapped(stored, places))
    if differing:
        more = len(differing) - _MOST_SHOWN
        raise ValueError(
            "`model` must be of the architecture that the file was made from. Received: "
            + "; ".join(differing[:_MOST_SHOWN])
            + (f"; and {more} more" if more > 0 else "")
        )
    return stored


def _differing(stored: list[StoredWeight], variables, others: set[int]) -> list[str]:
    # What differs, in words; `others` are positions that differ in more than the shape.
    differing = [
        f"weight {i} is {list(variable.shape)} ({short(variable.path)}), "
        f"in the file {short(list(weight.shape))} ({short(weight.path)})"
        for i, (weight, variable) in enumerate(zip(stored, variables, strict=False))
        if tuple(variable.shape) != weight.shape or i in others
    ]
    if len(variables) != len(stored):
        longer = variables[len(stored) :] or stored[len(variables) :]
        paths = ", ".join(short(weight.path) for weight in longer[:_MOST_SHOWN])
        differing.append(f"it has {len(variables)} weights, the file {len(stored)}: {paths}")
    return differing


def _swapped(stored: list[StoredWeight], places: list[str]) -> set[int]:
    # Positions of the model whose weight has a name of its own that the file has elsewhere.
    in_file = {weight.place: i for i, weight in enumerate(stored)}
    return {i for i, place in enumerate(places) if "#" not in place and in_file.get(place, i) != i}


def _same_name(weight: StoredWeight, variable) -> bool:
    # Names of layers differ from process to process, those of their weights do not, but for those
    # that have none.
    def own(path):
        return re.sub(r"^variable_\d+$", "variable", path.rpartition("/")[2])

    return own(weight.path.partition("#")[0]) == own(variable.path)
