"""Benchmarks of skbackprop against its peers, in one command.

    python tests/benchmarks/run.py --data FOLDER_WITH_MNIST

Peers and we run in turn in one process; the table shows medians, the speed-up, which is the
median of the ratios of the pairs, and the smallest and the largest of them. They are figures,
not tests: nothing fails because a machine is busy.

    python tests/benchmarks/run.py --show docs/figures/figures.json --draw docs/figures

runs nothing: it draws the pictures of the documentation from the figures that it keeps, and
writes its tables and numbers, those of README.md too.
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
import spark
import time_to_accuracy
import time_to_cost
from report import Machine, Report
from settings import Settings

PERFORMANCE = {
    "evaluation": evaluation,
    "epochs": epochs,
    "cost": time_to_cost,
    "accuracy": time_to_accuracy,
    "passes": passes,
    "quality": quality,
    "memory": memory,
    "small": small_fits,
    "grid": grid_search,
    "prediction": prediction,
    "profile": profile_fit,
}
BENCHMARKS = PERFORMANCE | {
    "plain": plain_path,
    "files": files,
    "cluster": cluster,
    "spark": spark,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with the idx(.gz) files of MNIST")
    parser.add_argument("--quick", action="store_true", help="few rows and rounds: does it run?")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=BENCHMARKS,
        help="by default those of the documentation's page on performance; with --quick, all",
    )
    parser.add_argument("--repeat", type=int, help="pairs of runs (seeds) of each benchmark")
    parser.add_argument("--jobs", type=int, default=1, help="workers, where nothing is timed")
    parser.add_argument(
        "--gigabytes",
        type=float,
        default=0.0,
        help="files: fit to a temporary file of this size, too",
    )
    parser.add_argument(
        "--json", type=Path, help="file for all figures; it keeps those of other benchmarks"
    )
    parser.add_argument("--show", type=Path, help="run nothing, show the figures of such a file")
    parser.add_argument("--draw", type=Path, help="folder for pictures and tables, as in docs/")
    return parser.parse_args()


def measure(options: argparse.Namespace) -> Report:
    settings = Settings(
        options.data, options.quick, options.repeat, options.jobs, options.gigabytes
    )
    report = Report(Machine.this())
    if options.json and options.json.exists():
        kept = Report.from_json(options.json.read_text())
        if kept.machine != report.machine:
            raise SystemExit(
                f"{options.json} comes from another machine, or other versions: remove it first."
            )
        report = kept
    print(report.machine, flush=True)
    for name in options.only or (BENCHMARKS if options.quick else PERFORMANCE):
        start = perf_counter()
        report.found[name] = []
        for result in BENCHMARKS[name].run(settings):
            report.found[name].append(result)
            if options.json:  # as it goes: a full run takes long
                options.json.write_text(report.as_json())
        print(f"{name}: {perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return report


def main() -> None:
    # For the workers of a grid search: max_iter is what ends some of their fits.
    os.environ["PYTHONWARNINGS"] = "ignore"
    options = arguments()
    if options.show:
        report = Report.from_json(options.show.read_text())
        print(report.machine)
    else:
        report = measure(options)
    print("\n".join(report.as_text()))
    if options.draw:
        from pages import write  # it needs matplotlib

        write(report, options.draw)


if __name__ == "__main__":
    main()
