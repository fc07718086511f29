"""BLEU of trained translation models on texts of other kinds than they were trained on.

    python -m benchmarks.domains runs/multi30k --tests ted/test flores/devtest tatoeba/pairs.tsv

The folder has the runs that benchmarks.translation makes, SEED/WAY. A test is a .tsv file of
sentences and their translations, or the beginning of the names of two files that end with the
languages. Scores of a run are kept in its folder, domains.json.
"""

import argparse
import json
import statistics
from pathlib import Path

from rich.console import Console
from rich.table import Table

import bcq_tf
from transformer import checkpoint, evaluation
from transformer.corpus import Pairs

BASE, MODEL_FILE, KEPT = "float on", "model.bcq.npy", "domains.json"


def main():
    options = parse_arguments()
    folders = sorted(path.parent for path in options.runs.glob("*/*/result.json"))
    scores = {}
    for folder in folders:
        if not options.only or folder.name in options.only:
            scores.setdefault(folder.name, []).append(scores_of(folder, options))
    Console(width=120).print(make_table(scores, options.tests))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, help="folder of benchmarks.translation")
    parser.add_argument("--tests", nargs="+", required=True, help="see above")
    parser.add_argument("--only", nargs="+", help="ways (all)")
    parser.add_argument("--sentences", type=int, help="of each test, the first (all)")
    return parser.parse_args()


def scores_of(folder, options):
    """{test: BLEU} of a run, and "own": that of its own test set."""
    kept = folder / KEPT
    scores = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    missing = [test for test in options.tests if test not in scores]
    if missing:
        run = load(folder)
        for test in missing:
            pairs = read_pairs(test, run.languages).take(options.sentences)
            scores[test] = evaluation.evaluate(run.model, run.vocabularies, pairs).bleu
            print(f"{folder}, {test}: {scores[test]:.2f}", flush=True)
        kept.write_text(json.dumps(scores, indent=1), encoding="utf-8")
    return scores | {"own": checkpoint.load_result(folder)["bleu"]}


def load(folder):
    """The run of a folder, quantized where it has codes."""
    codes = folder / MODEL_FILE
    if not codes.is_file():
        return checkpoint.load_run(folder)
    return checkpoint.load_run(folder, weights=None, model=bcq_tf.load_model(codes))


def read_pairs(test, languages):
    """`Pairs` of a test."""
    if test.endswith(".tsv"):
        rows = [line.split("\t")[:2] for line in lines_of(test)]
        return Pairs(*map(list, zip(*rows, strict=True)))
    return Pairs(*(lines_of(f"{test}.{language}") for language in languages))


def lines_of(path):
    return Path(path).read_text(encoding="utf-8").splitlines()


def make_table(scores, tests):
    """A line for each way: mean BLEU of its seeds, and the mean difference to float."""
    seeds = max(map(len, scores.values()))
    table = Table(title=f"sacreBLEU, {seeds} seeds, and against {BASE!r}")
    names = ["own", *tests]
    for column in ("", *names):
        table.add_column(column, justify="right" if column else "left")
    for way, found in scores.items():
        cells = []
        for name in names:
            bleu = [each[name] for each in found]
            lost = [a - b[name] for a, b in zip(bleu, scores.get(BASE, found), strict=False)]
            cells.append(f"{statistics.mean(bleu):.2f} {statistics.mean(lost):+.2f}")
        table.add_row(way, *cells)
    return table


if __name__ == "__main__":
    main()
