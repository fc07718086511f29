"""Options of the benchmarks in which models take turns."""

from pathlib import Path


def add_turns(add):
    """Adds them. add: a parser's `add_argument`."""
    add("--threads", type=int, nargs="+", default=[1, 2], help="(%(default)s)")
    add("--rounds", type=int, default=5, help="turns that each takes (%(default)s)")
    add("--json", type=Path, help="file for all figures")
    add(
        "--processor-time",
        action="store_true",
        help="count the process's own time: for one thread on a busy machine",
    )
