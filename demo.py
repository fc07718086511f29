"""Trains a small translation model, quantizes it in two ways, and compares the three.

In one shot, without training: 2.6 bits a weight, spent where some training sentences show that they
count. And to 2 bits while it trains on.

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
    from transformer import checkpoint, corpus, evaluation, script
    from transformer.speed import side_by_side
    from translate import load_quantized

QUANTIZED = {
    "2.6 bits, one shot": ("demo-2.6bit", "--budget 2.6 --epochs 0 --calibration 1000"),
    "2 bits, trained": ("demo-2bit", "--bits 2 --epochs 3"),
}
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
    float_run = folder / "demo"
    runs = {"float": float_run} | {name: folder / run for name, (run, _) in QUANTIZED.items()}
    console = Console()
    console.rule("Training the float model")
    pretrain.main(["--output", str(float_run)])
    for name, (_, settings) in QUANTIZED.items():
        console.rule(f"Quantizing it: {name}")
        where = ["--from", str(float_run), "--output", str(runs[name])]
        quantize.main([*where, *settings.split()])
    results = {name: checkpoint.load_result(path) for name, path in runs.items()}
    loaded = {name: load(path) for name, path in runs.items()}
    console.rule("Translations")
    console.print(translations(loaded))
    console.rule("What the codes save")
    console.print(comparison(results, loaded, speeds(loaded)))
    picture = folder / "demo.png"
    draw(results, picture)
    file = runs["2 bits, trained"] / quantize.MODEL_FILE
    console.print(f"The picture is {picture}. More: python translate.py {file} SENTENCE ...")


def load(path):
    """The run in a folder, its model float or computing from its codes."""
    file = path / quantize.MODEL_FILE
    return load_quantized(file) if file.is_file() else checkpoint.load_run(path)


def translations(loaded):
    """A table of some sentences in the words of each model."""
    table = Table("Portuguese", *loaded, box=box.SIMPLE_HEAD, show_lines=True)
    columns = [evaluation.Translator(run.model, run.vocabularies)(SENTENCES)
               for run in loaded.values()]  # fmt: skip
    for row in zip(SENTENCES, *columns, strict=True):
        table.add_row(*row)
    return table


def speeds(loaded):
    """How fast each model translates the test set, in turns."""
    first = next(iter(loaded.values()))
    sentences = corpus.load_corpus(first.data, first.languages).test.source
    return side_by_side(
        {name: evaluation.Translator(run.model, run.vocabularies) for name, run in loaded.items()},
        sentences,
    )


def comparison(results, loaded, speeds):
    """A table of size, quality and speed: a line for each fact, a column for each model."""
    table = Table("", *loaded, box=box.SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    memory = {name: weights_nbytes(run.model) for name, run in loaded.items()}
    facts = {
        "bits a weight": [f"{result['bits_per_weight']:.2f}" for result in results.values()],
        "file, MB": [f"{result['nbytes'] / 1e6:.2f}" for result in results.values()],
        "weights in memory, MB": [f"{nbytes / 1e6:.2f}" for nbytes in memory.values()],
        "BLEU": [f"{result['bleu']:.1f}" for result in results.values()],
        "one sentence, ms": [f"{1e3 * speeds[name].alone:.1f}" for name in loaded],
        "in batches, sentences/s": [f"{1 / speeds[name].batches:.0f}" for name in loaded],
    }
    for fact, values in facts.items():
        table.add_row(fact, *values)
    return table


def weights_nbytes(model):
    """Bytes of a model's weights in memory, codes among them."""
    return sum(weight.numpy().nbytes for weight in model.weights)


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
