"""Mutation testing: is a change of the code noticed by a test?

    python tests/mutation/run.py [MODULE ...] [--share 0.1] [--seed 0] [--lines FIRST LAST]

Changes one operator, number, condition or loop of a module at a time (with the operators of
cosmic-ray) and runs the tests that reach the changed line, the quickest first, until one fails.
A change that no test notices has survived: it needs a test, or an entry in ``survivors.py`` with
the reason why no test can notice it. Prints every survivor without an entry, entries that no
longer survive, and the counts of each module; the exit status is 1 if there is any of the two.

The tests are collected once. Each change is made in a fork, which replaces the code of functions
that are already imported, or imports the package again where a change is outside of functions:
files are not touched. Tests that need ten times their usual computing time have failed.
"""

import argparse
import gc
import inspect
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
from contextlib import suppress
from fnmatch import fnmatch
from importlib.machinery import SourceFileLoader
from itertools import pairwise
from pathlib import Path
from time import process_time, sleep
from types import CodeType, FunctionType

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MPLBACKEND="Agg")

import coverage
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator
from survivors import SURVIVORS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "skbackprop"

PYTEST = ["-q", "--assert=plain", "--tb=no", "-s", "--no-header", "-p", "no:cacheprovider"]

# The tests of each module that find its faults quickly.
NUMERIC = ["losses", "network", "objective", "penalties"]
TESTS = {
    "losses.py": ["losses", *NUMERIC],
    "activations.py": ["activations", *NUMERIC],
    "penalties.py": ["penalties", "l1"],
    "solvers/steps.py": ["batches", "solvers", "l1", "partial_fit"],
    "solvers/head_start.py": ["head_start", "stages"],
    "solvers/spectral_step.py": ["spectral_step", "head_start"],
    "solvers/batches.py": ["batches", "partial_fit"],
    "solvers/layout.py": ["batches"],
    "solvers/loader.py": ["batches"],
    "solvers/learning_rates.py": ["learning_rates", "docstrings", "solvers"],
    "workspace.py": ["workspace"],
    "network.py": ["network", "objective"],
    "products.py": ["network", "objective"],
    "change_of_variables.py": ["change_of_variables"],
    "solvers/split_variables.py": ["split_variables"],
    "monitoring.py": ["progress"],
    "objective.py": ["objective"],
    "rows.py": ["rows"],
    "solvers/stages.py": ["stages", "head_start"],
    "solvers/scipy_solvers.py": ["scipy_solvers", "docstrings"],
    "solvers/gradient_solvers.py": ["gradient_solvers", "docstrings", "batches"],
}

# One replacement for each operator: the one nearest to it, and for comparisons also the opposite.
OPERATORS = """
    ReplaceBinaryOperator_Add_Sub ReplaceBinaryOperator_Sub_Add ReplaceBinaryOperator_Mul_Div
    ReplaceBinaryOperator_Div_Mul ReplaceBinaryOperator_Pow_Mul ReplaceBinaryOperator_FloorDiv_Div
    ReplaceBinaryOperator_Mod_FloorDiv ReplaceBinaryOperator_BitAnd_BitXor
    ReplaceComparisonOperator_Eq_NotEq ReplaceComparisonOperator_NotEq_Eq
    ReplaceComparisonOperator_Lt_LtE ReplaceComparisonOperator_Lt_GtE
    ReplaceComparisonOperator_LtE_Lt ReplaceComparisonOperator_LtE_Gt
    ReplaceComparisonOperator_Gt_GtE ReplaceComparisonOperator_Gt_LtE
    ReplaceComparisonOperator_GtE_Gt ReplaceComparisonOperator_GtE_Lt
    ReplaceComparisonOperator_Is_IsNot ReplaceComparisonOperator_IsNot_Is
    ReplaceUnaryOperator_Delete_USub ReplaceUnaryOperator_Delete_Invert
    ReplaceUnaryOperator_Delete_Not ReplaceTrueWithFalse ReplaceFalseWithTrue
    ReplaceAndWithOr ReplaceOrWithAnd ReplaceBreakWithContinue ReplaceContinueWithBreak
    NumberReplacer AddNot ZeroIterationForLoop
""".split()


class AugmentedAssignment(Operator):
    """Replaces ``+=`` by ``-=`` and the like."""

    replaced = {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "&=": "|=", "|=": "&="}

    def mutation_positions(self, node):
        if node.type == "operator" and node.value in self.replaced:
            yield node.start_pos, node.end_pos

    def mutate(self, node, index):
        node.value = self.replaced[node.value]
        return node

    @classmethod
    def examples(cls):
        return ()


def mutants(source):
    """(line number, line, changed line, changed source) of every change."""
    found = {}
    nodes = list(ast_nodes(get_ast(source)))
    for operator in [AugmentedAssignment(), *(get_operator("core/" + o)() for o in OPERATORS)]:
        for occurrence in range(sum(len(list(operator.mutation_positions(n))) for n in nodes)):
            changed = mutate_code(source, operator, occurrence)
            before, after = source.splitlines(), changed.splitlines()
            number = next(i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b)
            found[changed] = (number + 1, before[number].strip(), after[number].strip())
    return sorted((*where, changed) for changed, where in found.items() if is_code(changed))


def is_code(changed):
    """Whether the changed source is Python, and its change one of an operator.

    The star before keyword-only parameters and before an unpacked list is none.
    """
    try:
        compile(changed, "changed", "exec")
    except SyntaxError:
        return False
    return re.search(r"[(,]\s*/,", changed) is None


def functions_of(code):
    """The code objects of the functions in a module or class body, by name and first line."""
    found = {}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            is_function = inner.co_flags & inspect.CO_NEWLOCALS
            found |= {(inner.co_name, inner.co_firstlineno): inner} if is_function else {}
            found |= functions_of(inner)
    return found


def outside_functions(code):
    """What a module or class body does itself, for comparisons."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    bodies = [outside_functions(c) for c in inner if not c.co_flags & inspect.CO_NEWLOCALS]
    constants = [repr(c) for c in code.co_consts if not isinstance(c, CodeType)]
    return code.co_code, constants, code.co_names, bodies


def imported_functions(path):
    """All functions of a file that exist, methods and closures included."""
    functions = [f for f in gc.get_objects() if isinstance(f, FunctionType)]
    return [f for f in functions if f.__code__.co_filename == str(path)]


def swapped(functions, source, changed):
    """Put the changed code into the functions that are imported; False if not enough."""
    path = functions[0].__code__.co_filename
    old, new = (compile(text, path, "exec") for text in (source, changed))
    if outside_functions(old) != outside_functions(new):
        return False
    codes = functions_of(new)
    for function in functions:
        code = function.__code__
        function.__code__ = codes[code.co_name, code.co_firstlineno]
    return True


class Chosen:
    """Runs the chosen tests, the quickest first."""

    def __init__(self, seconds):
        self.seconds = seconds

    def pytest_collection_modifyitems(self, items):
        chosen = [item for item in items if item.nodeid in self.seconds]
        items[:] = sorted(chosen, key=lambda item: self.seconds[item.nodeid])


def passes_when_imported(path, changed, chosen):
    """Whether the tests pass if everything is imported with the changed source."""
    # Not all of the checkout: an environment may lie in it.
    own = tuple(f"{folder}{os.sep}" for folder in (PACKAGE, ROOT / "tests"))
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(own):
            del sys.modules[name]
    original = SourceFileLoader.get_code

    def get_code(loader, name):
        if Path(loader.path) == path:
            return compile(changed, str(path), "exec")
        return original(loader, name)

    SourceFileLoader.get_code = get_code
    files = sorted({name.split("::")[0] for name in chosen})
    return pytest.main([*PYTEST, "-x", *files], plugins=[Chosen(chosen)]) == 0


def passes(session, items, seconds=None):
    """Whether the tests, of a session that has collected them, pass."""
    for item, following in pairwise([*items, None]):
        if seconds is not None:
            limit = int(process_time() + 10 * seconds[item.nodeid]) + 5
            resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return False
    return True


def in_fork(function, seconds=3600):
    """Whether function() is true in a fork that may take so long, suspensions not counted."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setpgid(0, 0)
            null = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(null, stream)
            status = 0 if function() else 1
        finally:
            os._exit(status)
    step = 0.02
    for _ in range(int(seconds / step)):
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            break
        sleep(step)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # and what the tests have started
    _, status = os.waitpid(pid, 0)
    return status == 0


class Measured:
    """Finds the tests that reach each line, and the seconds that each test takes."""

    def __init__(self, path, folder):
        self.path, self.folder, self.seconds = path, Path(folder), {}
        self.coverage = coverage.Coverage(
            data_file=self.folder / "data", include=[str(path)], config_file=False
        )

    def pytest_runtest_setup(self, item):
        # What a fixture reaches may be used by every test of the file.
        self.coverage.switch_context(item.nodeid.split("::")[0])

    def pytest_runtest_call(self, item):
        self.coverage.switch_context(item.nodeid)

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            (self.folder / "failure").write_text(f"{report.nodeid}\n{report.longreprtext}")

    def pass_(self, session):
        """Whether the tests of a session pass; writes what was measured to files."""
        session.config.pluginmanager.register(self)
        self.coverage.start()
        passed = passes(session, session.items)
        self.coverage.stop()
        self.coverage.save()
        (self.folder / "seconds").write_text(json.dumps(self.seconds))
        return passed

    def read(self):
        """The tests or files of tests of each line, and the seconds of each test."""
        read = coverage.CoverageData(self.folder / "data")
        read.read()
        seconds = json.loads((self.folder / "seconds").read_text())
        return read.contexts_by_lineno(str(self.path)), seconds


class Module:
    """Runs the tests on every change of a module, and keeps the results."""

    def __init__(self, name, share, seed, lines):
        self.name, self.path = name, PACKAGE / name
        self.source = self.path.read_text(encoding="utf-8")
        self.mutants = mutants(self.source)
        rng = random.Random(seed)
        self.tried = [
            m for m in self.mutants if rng.random() < share and lines[0] <= m[0] <= lines[1]
        ]
        self.reasons = {
            change: reason for reason, *changes in SURVIVORS.get(name, ()) for change in changes
        }
        self.survived = []

    def pytest_runtestloop(self, session):
        gc.unfreeze()  # of the module before: frozen objects are not listed
        functions = imported_functions(self.path)
        gc.freeze()  # a collection in a fork would copy all of the memory
        with tempfile.TemporaryDirectory() as folder:
            measured = Measured(self.path, folder)
            same = self.source, self.source
            if not in_fork(lambda: swapped(functions, *same) and measured.pass_(session)):
                failure = Path(folder) / "failure"
                which = failure.read_text() if failure.exists() else "which one is not known"
                pytest.exit(f"A test fails without any change: {which}", returncode=2)
            contexts, seconds = measured.read()
        for number, before, after, changed in self.tried:
            reached_by = set(contexts.get(number, ()))
            items = [
                item
                for item in sorted(session.items, key=lambda item: seconds[item.nodeid])
                if "" in reached_by or reached_by & {item.nodeid, item.nodeid.split("::")[0]}
            ]
            chosen = {item.nodeid: seconds[item.nodeid] for item in items}

            def notices_nothing(changed=changed, items=items, chosen=chosen):
                if swapped(functions, self.source, changed):
                    return passes(session, items, seconds)
                return passes_when_imported(self.path, changed, chosen or seconds)

            if in_fork(notices_nothing, 60 + 10 * sum((chosen or seconds).values())):
                self.survived.append((before, after))
                if (before, after) not in self.reasons:
                    note = "" if chosen else "  (outside of functions, or no test reaches it)"
                    print(f"{self.name}:{number}{note}\n  - {before}\n  + {after}", flush=True)
        return True

    def report(self):
        """Print the counts and the entries that are not needed; returns whether all is well."""
        new = [change for change in self.survived if change not in self.reasons]
        killed = {m[1:3] for m in self.tried} - set(self.survived)
        unknown = set(self.reasons) - {m[1:3] for m in self.mutants}
        stale = [change for change in self.reasons if change in killed | unknown]
        for before, after in stale:
            print(f"{self.name}: no survivor any more\n  - {before}\n  + {after}")
        print(
            f"{self.name}: {len(self.mutants)} changes, {len(self.tried)} tried, "
            f"{len(self.tried) - len(self.survived)} noticed, "
            f"{len(self.survived) - len(new)} explained, {len(new)} neither",
            flush=True,
        )
        return not new and not stale


def run_module(*args):
    """Try the changes of a module; returns whether each is noticed or explained."""
    module = Module(*args)
    tests = [f"tests/test_{test}.py" for test in dict.fromkeys(TESTS[module.name])]
    return pytest.main([*PYTEST, *tests], plugins=[module]) == 0 and module.report()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", help="such as losses.py or 'solvers/*'; all if none")
    parser.add_argument("--share", type=float, default=1.0, help="random share of the changes")
    parser.add_argument("--seed", type=int, default=0, help="of the random share")
    parser.add_argument("--lines", type=int, nargs=2, help="first and last line to change")
    options = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    patterns = options.modules or ["*"]
    names = [name for name in TESTS if any(fnmatch(name, pattern) for pattern in patterns)]
    lines = options.lines or (1, 10**6)
    complete = [run_module(name, options.share, options.seed, lines) for name in names]
    sys.exit(not all(complete))


if __name__ == "__main__":
    main()
