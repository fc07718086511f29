"""Trains a small translation model, quantizes it to 3 and to 2 bits, and compares the three.

Everything goes to runs/; the same command again goes on where it stopped.
"""

from pathlib import Path

from bcq_tf.cli.start import starting
from bcq_tf.files.paths import check_writable

with starting():
    from rich import box
    from rich.console import Console
    from rich.table import Table

    import pretrain
    import quantize
    from transformer import checkpoint, evaluation, script
    from translate import load_quantized

SENTENCES = [
    "Eu gosto de ler livros.",
    "Onde fica a estação de trem?",
    "Ela não sabe o que fazer.",
    "Amanhã vamos à praia com os nossos amigos.",
]


def main(arguments=None):
    parser = script.Parser(__doc__)
    parser.add_argument("--output", default="runs", help="folder of the runs (%(default)s)")
    folder = Path(parser.parse_args(arguments).output)
    check_writable(folder / "demo.png")
    runs = {"float": folder / "demo", "3 bit": folder / "demo-3bit", "2 bit": folder / "demo-2bit"}
    console = Console()
    console.rule("Training the float model")
    pretrain.main(["--output", str(runs["float"])])
    for bits in (3, 2):
        console.rule(f"Quantizing it to {bits} bits while it trains on")
        quantize.main(["--from", str(runs["float"]), "--bits", str(bits)])
    results = {name: checkpoint.load_result(path) for name, path in runs.items()}
    console.rule("Translations")
    console.print(translations(runs))
    console.print(comparison(results))
    picture = folder / "demo.png"
    draw(results, picture)
    console.print(f"The picture is {picture}. More sentences: python translate.py "
                  f"{runs['3 bit'] / quantize.MODEL_FILE} SENTENCE ...")  # fmt: skip


def translations(runs):
    """A table of some sentences in the words of each model."""
    table = Table(box=box.SIMPLE_HEAD, show_lines=True)
    table.add_column("Portuguese")
    columns = []
    for name, path in runs.items():
        table.add_column(name)
        is_float = name == "float"
        run = checkpoint.load_run(path) if is_float else load_quantized(path / quantize.MODEL_FILE)
        columns.append(evaluation.Translator(run.model, run.vocabularies)(SENTENCES))
    for row in zip(SENTENCES, *columns, strict=True):
        table.add_row(*row)
    return table


def comparison(results):
    """A table of size, quality and speed of each model."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("", "weights", "bits/weight", "file MB", "BLEU", "sentences/s"):
        table.add_column(name, justify="right" if name else "left")
    for name, result in results.items():
        table.add_row(
            name,
            f"{result['weights']:,}",
            f"{result['bits_per_weight']:.2f}",
            f"{result['nbytes'] / 1e6:.2f}",
            f"{result['bleu']:.2f}",
            f"{result['sentences_per_second']:.0f}",
        )
    return table


def draw(results, path):
    """Draws file size and BLEU of each model side by side."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (sizes, scores) = pyplot.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    names = list(results)
    colours = ["#9aa5b1", "#2f6fab", "#7fb069"]
    for axes, title, values, form in (
        (sizes, "File, MB", [r["nbytes"] / 1e6 for r in results.values()], "%.2f"),
        (scores, "BLEU on the test set", [r["bleu"] for r in results.values()], "%.1f"),
    ):
        axes.bar_label(axes.bar(names, values, color=colours), fmt=form, padding=2)
        axes.set_title(title, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(y=0.15)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


if __name__ == "__main__":
    script.run(main)
