"""How fast several models translate, measured side by side."""

import dataclasses
import statistics
import time


@dataclasses.dataclass(frozen=True)
class Speed:
    """Medians over all rounds.

    alone: seconds a sentence, where sentences come one at a time.
    batches: seconds a sentence, where all are there at once.
    """

    alone: float
    batches: float


def side_by_side(translators, sentences, lone=40, rounds=3):
    """Times models in turns, so that what else the machine does falls on all of them.

    Args:
        translators: {name: function from a list of sentences to their translations}.
        sentences: of a test set.
        lone: how many of them are translated one at a time too, in each round.

    Returns:
        {name: `Speed`}.
    """
    alone = {name: [] for name in translators}
    batches = {name: [] for name in translators}
    few = sentences[:lone]
    for round_number in range(rounds + 1):
        for name, translate in translators.items():
            times = [_seconds(translate, [sentence]) for sentence in few]
            whole = _seconds(translate, sentences) / len(sentences)
            if round_number:  # the first one traces and compiles
                alone[name] += times
                batches[name].append(whole)
    return {
        name: Speed(statistics.median(alone[name]), statistics.median(batches[name]))
        for name in translators
    }


def _seconds(function, argument):
    start = time.perf_counter()
    function(argument)
    return time.perf_counter() - start
