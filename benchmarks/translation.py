"""Trains, quantizes and scores a translation model in every way, for several random seeds.

Runs `pretrain.py`, then `quantize.py` from there, each in its own folder under --output, and
prints one table of BLEU: mean and range over the seeds. A run that is complete is not made again,
so the same command goes on where it stopped. Hours on two cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import chung_kim

ROOT = Path(__file__).resolve().parent.parent
BITS = (3, 2, 1)
SAMPLES = ["--calibration", "1000"]
ONE_SHOT = {f"one shot {bits} bit": ["--bits", str(bits)] for bits in BITS}
ONE_SHOT |= {f"one shot, calibrated {bits} bit": ["--bits", str(bits), *SAMPLES] for bits in BITS}
ONE_SHOT |= {f"one shot, {b} on average": ["--budget", str(b), *SAMPLES] for b in (3.0, 2.6, 2.2)}
TRAINED = {
    f"{way} {bits} bit": ["--bits", str(bits), flag]
    for way, flag in (("projection", "--no-latent"), ("latent", "--latent"))
    for bits in BITS
}
TRAINED["float on"] = ["--float"]
TRAINED["latent 1 bit, no dropout"] = ["--bits", "1", "--latent", "--dropout", "0"]
# The rows of Compressed-Transformers: evenly spaced levels in some layers, the others float. With 1
# bit these are signs and one scale, as in its sign quantizer.
SCOPES = {"float on": ["--float"]}
SCOPES |= {
    f"{scope} {bits} bit": ["--scope", scope, "--solver", "uniform", "--bits", str(bits)]
    for scope, all_bits in (
        ("attention", (8, 4, 2, 1)),
        ("attention+embedding", (8,)),
        ("linear", (8, 4, 1)),
    )
    for bits in all_bits
}
# Bits by word frequency and by sublayer, embeddings first, then the decoder, then the encoder,
# against as many bits spent by expected loss.
STATED, SPENT = ["--rules", "{rules}"], ["--budget", "{bits}", *SAMPLES]
PHASES = ["--schedule", '{{"1600": {{"*coder_*": null}}, "3200": {{"*encoder_*": null}}}}']
RECIPES = {"float on": ["--float"]}
RECIPES |= {
    f"Chung and Kim, projection every {steps} steps": [
        *STATED, *PHASES, "--no-latent", "--every", str(steps),
    ]
    for steps in (200, 1000, 2000)
}  # fmt: skip
RECIPES |= {
    "Chung and Kim, latent": [*STATED, *PHASES],
    "Chung and Kim, latent, no phases": STATED,
    "by expected loss, projection every 1000 steps": [*SPENT, "--no-latent", "--every", "1000"],
    "by expected loss, latent": SPENT,
}
# Without and with training.
TABLES = {"ways": (ONE_SHOT, TRAINED), "scopes": ({}, SCOPES), "recipes": ({}, RECIPES)}


def main():
    options = parse_arguments()
    run_all(list(planned_runs(options)), options.jobs)
    results = read_results(options)
    Console().print(make_table(results))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--table", choices=TABLES, default="ways", help="ways to quantize, or scopes: the rows of "
        "Compressed-Transformers, quantized in some layers alone, or recipes: bits by word "
        "frequency and by sublayer (Chung and Kim) and by expected loss (%(default)s)")  # fmt: skip
    add("--hparams", default="hparams/multi30k.json", help="(%(default)s)")
    add("--data", required=True, help="demo, tfds:NAME or a folder")
    add("--output", default="runs/multi30k", help="folder of all runs (%(default)s)")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(%(default)s)")
    add(
        "--epochs",
        type=int,
        default=10,
        help="after pretraining; 0: only what does not train is made (%(default)s)",
    )
    add(
        "--jobs",
        type=int,
        default=1,
        help="runs at a time; with several each has one thread, which trains more on few cores "
        "than one run with all of them (%(default)s)",
    )
    return parser.parse_args()


def planned_runs(options):
    """Yields (script, folder, arguments) in the order to be run."""
    for seed in options.seeds:
        base = Path(options.output) / f"seed{seed}"
        common = ["--seed", str(seed), "--data", options.data]
        yield "pretrain.py", base / "float", [*common, "--hparams", options.hparams]
        common += ["--from", str(base / "float"), "--epochs"]
        one_shot, trained = TABLES[options.table]
        for name, flags in one_shot.items():
            yield "quantize.py", base / name, [*common, "0", *flags]
        if options.epochs:
            for name, flags in trained.items():
                yield "quantize.py", base / name, [*common, str(options.epochs), *flags]


def run_all(runs, jobs):
    """Runs all, `jobs` at a time: first the pretraining of every seed, then what begins there."""
    runs.sort(key=lambda run: run[0] != "pretrain.py")
    pretrained, started = {}, []
    with ThreadPoolExecutor(jobs) as pool:
        for script, folder, arguments in runs:
            before = pretrained.get(folder.parent)
            started.append(pool.submit(run_script, script, folder, arguments, jobs, before))
            if script == "pretrain.py":
                pretrained[folder.parent] = started[-1]
        for run in started:
            run.result()


def run_script(script, folder, arguments, jobs, before=None):
    """Runs one script, unless its result is there; its output goes to log.txt in the folder.

    before: the future of the run that it starts from, which is waited for.
    """
    if before:
        before.result()
    if (folder / "result.json").is_file():
        return
    print(f"{folder}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    if "{" in "".join(arguments):
        arguments = with_stated_bits(folder.parent, arguments)
    command = [sys.executable, str(ROOT / script), "--output", str(folder), *arguments]
    threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"} if jobs > 1 else {}
    with open(folder / "log.txt", "a", encoding="utf-8") as log:
        done = subprocess.run(
            command, env=os.environ | threads, stdout=log, stderr=subprocess.STDOUT
        )
    if done.returncode:
        raise SystemExit(
            f"error: {script} ended with code {done.returncode}, see {folder / 'log.txt'}"
        )


def with_stated_bits(folder, arguments):
    """Arguments with the rules of Chung and Kim for the float model of a seed, and their bits."""
    rules = folder / "chung_kim.json"
    bits = round(chung_kim.write_rules(folder / "float", rules), 3)
    return [argument.format(rules=rules, bits=bits) for argument in arguments]


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
    base = "float on" if "float on" in results else "float"
    table = Table(title=f"sacreBLEU, {len(results['float'])} seeds ({first['signature']})")
    for column in ("", "BLEU", "lowest", "highest", f"against {base}", "bits/weight", "MB"):
        table.add_column(column, justify="left" if not column else "right")
    baseline = [result["bleu"] for result in results[base]]
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
