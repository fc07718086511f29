"""Trains, quantizes and scores a translation model in every way, for several random seeds.

Runs `pretrain.py` and `quantize.py` one after the other, each in its own folder under --output, and
prints one table of BLEU: mean and range over the seeds. A run that is complete is not made again,
so the same command goes on where it stopped. Hours on two cores.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
BITS = (3, 2, 1)
WAYS = {
    "one shot": ["--epochs", "0"],
    "projection": ["--no-latent"],
    "latent": ["--latent"],
}


def main():
    options = parse_arguments()
    runs = list(planned_runs(options))
    for script, folder, arguments in runs:
        if not (folder / "result.json").is_file():
            run_script(script, folder, arguments)
    results = read_results(options)
    Console().print(make_table(results))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hparams", default="hparams/multi30k.json", help="(%(default)s)")
    parser.add_argument("--data", required=True, help="demo, tfds:NAME or a folder")
    parser.add_argument(
        "--output", default="runs/multi30k", help="folder of all runs (%(default)s)"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(%(default)s)")
    parser.add_argument("--epochs", type=int, default=5, help="after pretraining (%(default)s)")
    return parser.parse_args()


def planned_runs(options):
    """Yields (script, folder, arguments) in the order to be run."""
    for seed in options.seeds:
        base = Path(options.output) / f"seed{seed}"
        common = ["--seed", str(seed), "--data", options.data]
        yield "pretrain.py", base / "float", [*common, "--hparams", options.hparams]
        common += ["--from", str(base / "float"), "--epochs", str(options.epochs)]
        yield "quantize.py", base / "float on", [*common, "--float"]
        for way, flags in WAYS.items():
            for bits in BITS:
                folder = base / f"{way} {bits} bit"
                yield "quantize.py", folder, [*common, "--bits", str(bits), *flags]


def run_script(script, folder, arguments):
    """Runs one script; its output goes to log.txt in the folder. Ends the program if it fails."""
    command = [sys.executable, str(ROOT / script), "--output", str(folder), *arguments]
    print(f"{folder}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "log.txt", "a", encoding="utf-8") as log:
        code = subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT).returncode
    if code:
        sys.exit(f"error: {script} ended with code {code}, see {folder / 'log.txt'}")


def read_results(options):
    """{name of the run: [result of each seed]}."""
    results = {}
    for _, folder, _ in planned_runs(options):
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        results.setdefault(folder.name, []).append(result)
    return results


def make_table(results):
    """A table with a row for each way to train: BLEU and its distance to the float model's."""
    first = next(iter(results.values()))[0]
    table = Table(title=f"sacreBLEU, {len(results['float'])} seeds ({first['signature']})")
    for column in ("", "BLEU", "lowest", "highest", "against float on", "bits/weight", "MB"):
        table.add_column(column, justify="left" if not column else "right")
    baseline = [result["bleu"] for result in results["float on"]]
    for name, seeds in results.items():
        bleu = [result["bleu"] for result in seeds]
        lost = statistics.mean(b - f for b, f in zip(bleu, baseline, strict=True))
        table.add_row(
            name,
            f"{statistics.mean(bleu):.2f}",
            f"{min(bleu):.2f}",
            f"{max(bleu):.2f}",
            f"{lost:+.2f}",
            f"{seeds[0]['bits_per_weight']:.2f}",
            f"{seeds[0]['nbytes'] / 1e6:.2f}",
        )
    return table


if __name__ == "__main__":
    main()
