"""Which weight of a file is which weight of a model: `match_model`."""

from __future__ import annotations

import re

from bcq_tf._keras import weight_places
from bcq_tf.files.model_table import Entry
from bcq_tf.shown import short

_MOST_SHOWN = 3


def match_model(model, entries: list[Entry]) -> list[Entry]:
    """The file's weights in the order of `model.weights`.

    Weights are found by their places, where file and model have the same ones: an output that is
    called "mean" is that, whichever comes first. Otherwise position and shape decide, unless places
    that both have contradict them. Names that Keras numbers decide nothing.

    Args:
        model: a built Keras model.
        entries: what `bcq_tf.files.model_table.read_table` returned.

    Returns:
        One entry for each of `model.weights`.

    Raises:
        ValueError: they are not the model's; the message has the first differences.
    """
    places, variables = weight_places(model), model.weights
    by_place = {entry.place: entry for entry in entries}
    if set(by_place) == set(places):
        entries = [by_place[place] for place in places]
        differing = _differing(entries, variables, set())
    else:
        pairs = enumerate(zip(entries, variables, strict=False))
        renamed = {i for i, pair in pairs if not _same_name(*pair)}
        differing = _differing(entries, variables, renamed | _swapped(entries, places))
    if differing:
        more = len(differing) - _MOST_SHOWN
        raise ValueError(
            "`model` must be of the architecture that the file was made from. Received: "
            + "; ".join(differing[:_MOST_SHOWN])
            + (f"; and {more} more" if more > 0 else "")
        )
    return entries


def _differing(entries: list[Entry], variables, others: set[int]) -> list[str]:
    # What differs, in words; `others` are positions that differ in more than the shape.
    differing = [
        f"weight {i} is {list(variable.shape)} ({short(variable.path)}), "
        f"in the file {short(list(entry.shape))} ({short(entry.path)})"
        for i, (entry, variable) in enumerate(zip(entries, variables, strict=False))
        if tuple(variable.shape) != entry.shape or i in others
    ]
    if len(variables) != len(entries):
        longer = variables[len(entries) :] or entries[len(variables) :]
        paths = ", ".join(short(weight.path) for weight in longer[:_MOST_SHOWN])
        differing.append(f"it has {len(variables)} weights, the file {len(entries)}: {paths}")
    return differing


def _swapped(entries: list[Entry], places: list[str]) -> set[int]:
    # Positions of the model whose weight has a name of its own that the file has elsewhere.
    in_file = {entry.place: i for i, entry in enumerate(entries)}
    return {i for i, place in enumerate(places) if "#" not in place and in_file.get(place, i) != i}


def _same_name(entry: Entry, variable) -> bool:
    # Names of layers differ from process to process, those of their weights do not, but for those
    # that have none.
    def own(path):
        return re.sub(r"^variable_\d+$", "variable", path.rpartition("/")[2])

    return own(entry.path.partition("#")[0]) == own(variable.path)
