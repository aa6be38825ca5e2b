"""Benchmarks of skbackprop against its peers, in one command.

    python tests/benchmarks/run.py --data FOLDER_WITH_MNIST

Peers and we run in turn in one process; the table shows medians, how many times less we
need, and the smallest and the largest of these ratios over the pairs. They are figures,
not tests: nothing fails because a machine is busy.
"""

import argparse
import os
import sys
from pathlib import Path
from time import perf_counter

import cluster
import epochs
import evaluation
import files
import grid_search
import memory
import passes
import plain_path
import prediction
import profile_fit
import quality
import small_fits
import time_to_accuracy
import time_to_cost
from report import Machine, as_json, as_rst, as_text, from_json
from settings import Settings
from timing import Comparison, Shares

BENCHMARKS = {
    "evaluation": evaluation,
    "epochs": epochs,
    "cost": time_to_cost,
    "accuracy": time_to_accuracy,
    "passes": passes,
    "quality": quality,
    "plain": plain_path,
    "memory": memory,
    "files": files,
    "cluster": cluster,
    "small": small_fits,
    "grid": grid_search,
    "prediction": prediction,
    "profile": profile_fit,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with the idx(.gz) files of MNIST")
    parser.add_argument("--quick", action="store_true", help="few rows and rounds: does it run?")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--repeat", type=int, help="pairs of runs (seeds) of each benchmark")
    parser.add_argument("--jobs", type=int, default=1, help="workers, where nothing is timed")
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    parser.add_argument("--show", type=Path, help="run nothing, show the figures of such a file")
    parser.add_argument("--rst", action="store_true", help="tables for the documentation")
    return parser.parse_args()


def measure(
    options: argparse.Namespace, machine: Machine
) -> tuple[list[Comparison], list[Shares]]:
    settings = Settings(options.data, options.quick, options.repeat, options.jobs)
    rows: list[Comparison] = []
    shares: list[Shares] = []
    for name in options.only:
        start = perf_counter()
        for result in BENCHMARKS[name].run(settings):
            if isinstance(result, Shares):
                shares.append(result)
            else:
                rows.append(result)
            if options.json:  # as it goes: a full run takes long
                options.json.write_text(as_json(machine, rows, shares))
        print(f"{name}: {perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return rows, shares


def main() -> None:
    # For the workers of a grid search: max_iter is what ends some of their fits.
    os.environ["PYTHONWARNINGS"] = "ignore"
    options = arguments()
    if options.show:
        machine, rows, shares = from_json(options.show.read_text())
        print(machine)
    else:
        machine = Machine.this()
        print(machine, flush=True)
        rows, shares = measure(options, machine)
    print("\n".join((as_rst if options.rst else as_text)(rows)))
    print("\nWhere the time goes", *shares, sep="\n  ")


if __name__ == "__main__":
    main()
