"""The package runs no code that it was given, asks no network, and starts no process."""

import ast
import io
import json
import subprocess
import sys
import zipfile
from importlib.metadata import requires
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris

import skbackprop
from skbackprop import BackpropClassifier

PACKAGE = Path(skbackprop.__file__).parent
MODULES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}

# -- what the package is made of -----------------------------------------------------------

# Of the standard library, what talks to a network or runs code, in this process or in another.
NOT_OF_THE_STANDARD_LIBRARY = {
    *("ftplib", "http", "imaplib", "poplib", "smtplib", "socket", "socketserver"),
    *("ssl", "urllib", "webbrowser", "wsgiref", "xmlrpc"),
    *("code", "codeop", "ctypes", "importlib", "marshal", "multiprocessing", "pickle", "pty"),
    *("runpy", "shelve", "subprocess", "builtins"),
}
NOT_CALLED = {"__import__", "breakpoint", "compile", "eval", "exec", "input", "open"}
IN_ONE_PLACE = {
    "asyncio": "dask",  # the client of a cluster has a loop of its own
    "dask": "dask",
    "distributed": "dask",
    "matplotlib": "display",
    "onnx": "onnx.py",
    "skl2onnx": "onnx.py",
}
ALWAYS_THERE = {"joblib", "numpy", "scipy", "sklearn", "skbackprop", "threadpoolctl"}


def imported(tree):
    """The top-level names that a module imports when it runs."""
    for node in executed(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.partition(".")[0] if node.level == 0 else "skbackprop"


def executed(node):
    """All nodes below, without what only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and getattr(child.test, "id", None) == "TYPE_CHECKING":
            continue
        yield child
        yield from executed(child)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_it_may(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    for name in imported(tree):
        if name in IN_ONE_PLACE:
            assert module.replace("\\", "/").partition("/")[0] == IN_ONE_PLACE[name]
        elif name in sys.stdlib_module_names:
            assert name not in NOT_OF_THE_STANDARD_LIBRARY
        else:
            assert name in ALWAYS_THERE


@pytest.mark.parametrize("module", MODULES)
def test_a_module_runs_no_text_and_opens_nothing(module):
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            assert node.id not in NOT_CALLED
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.value.id != "os" or node.attr == "register_at_fork"


def test_what_is_always_there_is_what_is_declared():
    declared = {line.split(">=")[0] for line in requires("skbackprop") if "extra ==" not in line}
    assert declared == ALWAYS_THERE - {"skbackprop", "sklearn"} | {"scikit-learn"}


# -- what a fit does -----------------------------------------------------------------------

# What Python audits while the estimator is used, and while a process is started.
WATCH = """
import subprocess, sys, warnings
import numpy as np
from sklearn.base import clone
from skbackprop import BackpropClassifier

def use(**parameters):
    clf = BackpropClassifier(3, random_state=0, **parameters).fit(X, y)
    clf.predict(X), clf.predict_proba(X), clf.score(X, y), repr(clf), clone(clf)

warnings.simplefilter("ignore")
X = np.random.RandomState(0).standard_normal((3000, 20))
y = X[:, 0] > 0
use()  # what is imported late
events = set()
sys.addaudithook(lambda event, arguments: events.add(event))
use(n_jobs=2)
use(early_stopping=True)
use(solver="adam", max_iter=3)
print(*sorted(events))
subprocess.run([sys.executable, "-c", ""])
print(*sorted(events))
"""
OUTSIDE = ("open", "os.", "shutil.", "socket.", "subprocess.", "tempfile.", "urllib.")


def test_a_fit_and_a_prediction_reach_for_nothing_outside():
    done = subprocess.run(
        [sys.executable, "-c", WATCH], check=True, stdout=subprocess.PIPE, text=True
    )
    used, with_a_process = done.stdout.splitlines()
    assert not [event for event in used.split() if event.startswith(OUTSIDE)]
    assert "subprocess.Popen" in with_a_process.split()  # it would have been seen


# -- crafted files -------------------------------------------------------------------------

CLASSIFIER = "skbackprop.classifier.BackpropClassifier"
SOLVER = "skbackprop.solvers.gradient_solvers.SGD"


def node(name, loader, **content):
    module, _, name = name.rpartition(".")
    return {"__module__": module, "__class__": name, "__loader__": loader, **content}


def text(value):
    return node("builtins.str", "JsonNode", content=json.dumps(value), is_json=True)


class Trap:
    """What does something as soon as it is loaded."""

    def __setstate__(self, path):
        Path(path).mkdir()


TRAP = f"{__name__}.Trap"


def trap(path):
    return node(TRAP, "ObjectNode", content=text(path))


# A trap, alone and hidden in other things; and what could be called later.
CRAFTED = {
    "trap": trap,
    "trap in a list": lambda path: node("builtins.list", "ListNode", content=[trap(path)]),
    "trap in a solver": lambda path: node(SOLVER, "ObjectNode", content=trap(path)),
    "function": lambda path: node("os.system", "FunctionNode"),
    "object": lambda path: node("subprocess.Popen", "ObjectNode", content=None),
    "type": lambda path: node("builtins.eval", "TypeNode"),
}


def crafted(where, harmful):
    """A kept classifier in which one attribute is something else."""
    skops_io = pytest.importorskip("skops.io", reason="skops keeps files; it is an extra")
    X, y = load_iris(return_X_y=True)
    kept = skops_io.dumps(BackpropClassifier(2, tol=0.1, random_state=0).fit(X, y))
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(kept)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "schema.json":
                schema = json.loads(data)
                attributes = schema["content"]["content"]
                assert where in attributes
                attributes[where] = harmful
                data = json.dumps(schema).encode()
            new.writestr(name, data)
    return skops_io, file.getvalue()


@pytest.mark.parametrize("where", ["verbose", "solver", "theta_", "network_", "_labels"])
@pytest.mark.parametrize("kind", CRAFTED)
def test_a_crafted_file_is_refused_before_it_does_anything(kind, where, tmp_path):
    trace = tmp_path / "trace"
    skops_io, kept = crafted(where, CRAFTED[kind](str(trace)))
    with pytest.raises(TypeError, match=r"(?i)untrusted"):
        skops_io.loads(kept, trusted=[CLASSIFIER, SOLVER])
    assert not trace.exists()


def test_a_crafted_file_would_do_harm_if_it_were_trusted(tmp_path):
    trace = tmp_path / "trace"
    skops_io, kept = crafted("verbose", trap(str(trace)))
    assert sorted(skops_io.get_untrusted_types(data=kept)) == [CLASSIFIER, TRAP]
    assert not trace.exists()
    skops_io.loads(kept, trusted=[CLASSIFIER, TRAP])
    assert trace.exists()


def test_an_array_that_is_a_pickle_is_refused(tmp_path):
    pickled = io.BytesIO()
    np.save(pickled, np.array([BackpropClassifier()]), allow_pickle=True)
    file = io.BytesIO()
    array = node("numpy.ndarray", "NdArrayNode", type="numpy", file="array.npy")
    skops_io, kept = crafted("verbose", array)
    with zipfile.ZipFile(io.BytesIO(kept)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("array.npy", pickled.getvalue())
    with pytest.raises(ValueError, match="allow_pickle=False"):
        skops_io.loads(file.getvalue(), trusted=[CLASSIFIER])
