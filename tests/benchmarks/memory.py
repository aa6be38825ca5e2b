"""Peak memory: of a fit beyond X, of a prediction beyond its result; each in a new process."""

import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import data
from peers import ours, scikit_learn, scikit_learn_targets, silently
from settings import Settings
from timing import Comparison

MB = 1e6


def run(settings: Settings) -> Iterator[Comparison]:
    for task in ("fit", "predict_proba"):
        for dtype in ("float64",) if settings.quick else ("float64", "float32"):
            peaks: dict[str, list[float]] = {"ours": [], "scikit-learn": []}
            for _ in range(settings.rounds(2)):
                for name, found in peaks.items():
                    found.append(in_new_process(settings, task, name, dtype))
            shape = "200000x50-100-100-5" if task == "fit" else "60000x784-100-10"
            yield Comparison(
                f"peak memory of {task} beyond {'X' if task == 'fit' else 'its result'}",
                f"{shape}, {dtype}" + (" (fewer rows)" if settings.quick else ""),
                "scikit-learn",
                peaks["ours"],
                peaks["scikit-learn"],
                "MB",
            )


def in_new_process(settings: Settings, task: str, name: str, dtype: str) -> float:
    command = [sys.executable, __file__, task, name, dtype, str(int(settings.quick))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def measure(task: str, name: str, dtype: str, quick: str) -> float:
    """What the process named by the command line measures, in MB."""
    settings = Settings(quick=bool(int(quick)))
    if task == "fit":
        problem = data.tall(settings.rows(200_000))
    else:
        problem = data.mnist_like(settings.rows(60_000))
    problem = problem._replace(X=problem.X.astype(dtype))
    if name == "ours":
        # More iterations than L-BFGS remembers, so that its memory is full.
        make, y, n_iter = ours, problem.y, 35
    else:
        make, y, n_iter = scikit_learn, scikit_learn_targets(problem), 12
    # The first calls load libraries and start threads.
    estimator = make(problem, max_iter=2)
    silently(estimator.fit, problem.X[:500], y[:500])
    estimator.predict_proba(problem.X[:500])
    if task == "predict_proba":
        return (peak_of(lambda: estimator.predict_proba(problem.X)) - result_bytes(problem)) / MB
    estimator = make(problem, max_iter=settings.iterations(n_iter))
    return peak_of(lambda: silently(estimator.fit, problem.X, y)) / MB


def result_bytes(problem: data.Problem) -> int:
    return len(problem.X) * problem.layer_sizes[-1] * problem.X.itemsize


def peak_of(call: Callable[[], object]) -> int:
    """How many bytes the process grows at most during a call."""
    gc.collect()
    if sys.platform != "linux":
        return growth_of_maxrss(call)
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)  # memory that is free but not returned would hide what the call takes
    status = Path("/proc/self/status")

    def kilobytes(field: str) -> int:
        line = next(line for line in status.read_text().splitlines() if line.startswith(field))
        return int(line.split()[1])

    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak becomes the present size
    except OSError:
        return growth_of_maxrss(call)
    before = kilobytes("VmRSS")
    result = call()
    peak = kilobytes("VmHWM")
    del result
    return 1024 * (peak - before)


def growth_of_maxrss(call: Callable[[], object]) -> int:
    """The same where the peak cannot be reset: what is below an earlier peak is not seen."""
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024

    def peak() -> int:
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = peak()
    call()
    return peak() - before


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
