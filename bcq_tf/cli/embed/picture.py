"""The picture of `embed compare`: size against each score."""

from __future__ import annotations

from bcq_tf.cli.pictures import new_figure, write_figure

COLUMNS = 3
ERROR = "relative error"
MARKERS = {"uniform": "o", "binary": "s", "compositional": "^"}


def draw(lines, path: str) -> None:
    """Draws the `Line`s of `embed compare`, the float table's first, to a file whose name says the
    format, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    panels = _panels(lines)
    rows = -(-len(panels) // COLUMNS)
    figure = new_figure(4 * COLUMNS, 3.4 * rows)
    for place, (title, scores) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(rows, COLUMNS, place)
        _draw_panel(axes, title, lines, scores)
    figure.axes[1].legend(fontsize=8)  # not on the first, which has no line of the float table
    write_figure(figure, path)


def _panels(lines) -> dict[str, list[float]]:
    # {title: score of each line}.
    qualities = [line.quality for line in lines]
    panels = {
        ERROR: [q.relative_error for q in qualities],
        "eigenspace overlap": [q.eigenspace_overlap for q in qualities],
        "neighbours kept": [q.neighbour_overlap for q in qualities],
    }
    if qualities[0].similarity is not None:
        panels["word similarity"] = [q.mean_similarity for q in qualities]
    if qualities[0].analogies is not None:
        panels["analogies"] = [q.analogies.score for q in qualities]
    return panels


def _draw_panel(axes, title: str, lines, scores: list[float]) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    for method, marker in MARKERS.items():
        points = sorted(
            (line.quality.bits_per_weight, score)
            for line, score in zip(lines, scores, strict=True)
            if line.method == method
        )
        if points:
            axes.plot(*zip(*points, strict=True), marker=marker, markersize=5, label=method)
    if title != ERROR:
        axes.axhline(scores[0], color="gray", linewidth=0.8, linestyle="--", label="float")
    elif any(score > 0 for score in scores):  # what a logarithm has
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:.2g}")
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set(title=title, xlabel="bits a weight")
    axes.title.set_fontsize(10)
    axes.grid(alpha=0.3)
