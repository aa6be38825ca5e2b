"""Fuzzer: random fits and sequences of calls, for which `invariants.py` has to hold.

    python tests/fuzz/run.py --cases 10000 --seed 0     # prints what happened, and violations
    python tests/fuzz/run.py --case 1234                # one case again, with its traceback

A case follows from its seed alone. Prints how the fits ended, errors and warnings by type, and
each violation with its seed; exits with 1 if there was one.
"""

import argparse
import faulthandler
import sys
import traceback
import warnings
from collections import Counter
from time import perf_counter

from cases import KINDS, Case, random_case
from invariants import (
    BOUND,
    bit_faults,
    consistency_faults,
    error_faults,
    fit_faults,
    prediction_faults,
    snapshot,
    state,
    warning_faults,
    watched,
)
from sequences import run_sequence


def run_fit(case: Case, counts: Counter) -> list[str]:
    """Fit an estimator and check everything; returns the violations."""
    found: list[str] = []
    clf = case.estimator()
    arguments = {"X": case.X, "y": case.y, **case.fit}
    before = {name: snapshot(value) for name, value in arguments.items()}
    unfitted = state(clf)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with watched(found, own_threads=case.kind != "dask"):
            try:
                clf.fit(case.X, case.y, **case.fit)
            except Exception as error:
                counts[f"error: {type(error).__name__}"] += 1
                found += error_faults(case, error)
                if found:
                    found.append(last_lines(error))
                if state(clf) != unfitted:
                    found.append("a failing fit has changed the estimator")
            else:
                counts[f"ended: {clf.optimize_result_.status}"] += 1
                if case.spoilt:
                    found.append(f"no error though {case.spoilt}")
                found += consistency_faults(clf) + prediction_faults(clf, case.X)
                found += fit_faults(clf, case, caught)
                if case.seed % 4 == 1 and case.kind != "dask":
                    counts["fitted again, for the same bits"] += 1
                    found += bit_faults(clf, case)
    for category in {w.category.__name__ for w in caught}:
        counts[f"warning: {category}"] += 1
    found += warning_faults(caught)
    for name, value in arguments.items():
        if snapshot(value) != before[name]:
            found.append(f"{name} has been modified")
    return found


def last_lines(error: BaseException) -> str:
    """Where an error comes from, in a few lines."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return " < ".join(f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}" for f in reversed(frames))


def run(seed: int, counts: Counter, kind: str | None = None) -> int:
    """Run the case of a seed; returns the number of violations, which are printed."""
    # Every fifth seed stands for a sequence of calls.
    case: Case | str = "calls"
    began = perf_counter()
    try:
        if kind == "calls" or (kind is None and seed % 5 == 0):
            counts["rows: sequences of calls"] += 1
            found = run_sequence(seed, counts)
        else:
            case = random_case(seed, kind)
            counts[f"rows: {case.kind}"] += 1
            found = run_fit(case, counts)
    except Exception:
        found = ["the check failed: " + traceback.format_exc()]
    seconds = perf_counter() - began
    if seconds > BOUND / 4:
        print(f"{seed}: {seconds:.0f} s: {case}", flush=True)
    for fault in found:
        print(f"--case {seed}: {fault}\n    {case}", flush=True)
    return len(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=10_000, help="how many cases")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the first case")
    parser.add_argument("--case", type=int, help="run the case of this seed only")
    parser.add_argument("--kind", choices=(*KINDS, "calls"), help="rows of this kind only")
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.cases)
    if options.case is not None:
        seeds = range(options.case, options.case + 1)
    counts: Counter = Counter()
    violations, began = 0, perf_counter()
    for done, seed in enumerate(seeds):
        if done and done % 1000 == 0:
            print(f"{done} cases in {perf_counter() - began:.0f} s, {violations} violations")
        faulthandler.dump_traceback_later(5 * BOUND, exit=True)
        violations += run(seed, counts, options.kind)
    faulthandler.cancel_dump_traceback_later()
    print(f"{len(seeds)} cases in {perf_counter() - began:.0f} s, {violations} violations:")
    for what, n in sorted(counts.items()):
        print(f"  {what}: {n}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
