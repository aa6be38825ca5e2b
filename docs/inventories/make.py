"""Write the inventories of the links to NumPy, SciPy and scikit-learn.

intersphinx would fetch each project's whole inventory at every build. These hold only the names
that this documentation uses, so that a build needs no network. Run this file, with the newest
versions installed, when a build says that a name is not found.
"""

import importlib
import inspect
import re
import zlib
from pathlib import Path

import numpy as np
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SOURCES = ("docs/*.rst", "docs/user_guide/*.rst", "examples/*.py", "skbackprop/**/*.py")
ELSEWHERE = ("numpy.random", "numpy.typing")  # on pages that are not named after them
PAGE = {
    "numpy": "reference/generated/{page}.html",
    "scipy": "reference/generated/{page}.html",
    "sklearn": "modules/generated/{page}.html",
}
IMPORT = re.compile(
    r"^[>. ]*from ((?:numpy|scipy|sklearn)[\w.]*) import (\([^)]*\)|.*)$", re.MULTILINE
)
DOTTED = re.compile(r"\b(?:numpy|scipy|sklearn)(?:\.\w+)+")


def names_used():
    """Every full name of the three projects in the sources, and what the examples import."""
    found = {"sklearn.set_config", "sklearn.utils.metadata_routing.MetadataRequest"}  # inherited
    for pattern in SOURCES:
        for path in ROOT.glob(pattern):
            text = path.read_text()
            found.update(DOTTED.findall(text))
            if path.parent.name == "examples":  # their code is linked name by name
                for module, names in IMPORT.findall(text):
                    found.update(f"{module}.{name}" for name in re.findall(r"\w+", names))
                found.update(f"numpy.{n}" for n in re.findall(r"\bnp\.(\w+(?:\.\w+)*)", text))
    return sorted(found)


def resolve(name):
    """The object of a name and the page it is on, which is its class's for a method, or None."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            there = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        page = name
        for i, part in enumerate(parts[cut:], cut + 1):
            if inspect.isclass(there) and parts[0] == "sklearn":
                page = ".".join(parts[: i - 1])
            there = getattr(there, part, None)
        return there, page
    return None, name


def role_of(thing, name):
    """The kind under which Sphinx knows it, or None if it has no page of its own."""
    if name.startswith(ELSEWHERE) or "._" in name or inspect.ismodule(thing):
        return None
    if inspect.isclass(thing) and issubclass(thing, np.generic):
        return None
    if inspect.isclass(thing):
        return "exception" if issubclass(thing, BaseException) else "class"
    method = inspect.isroutine(thing) and name.split(".")[-2][:1].isupper()
    return "method" if method else "function" if callable(thing) else None


def main():
    """Write one file for each project."""
    lines = {project: [] for project in PAGE}
    for name in names_used():
        thing, page = resolve(name)
        role = role_of(thing, name)
        if role:
            project = name.split(".")[0]
            uri = PAGE[project].format(page=page)
            lines[project].append(f"{name} py:{role} 1 {uri}#$ -\n")
    for project, entries in lines.items():
        head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
        head += "# The remainder of this file is compressed using zlib.\n"
        body = zlib.compress("".join(entries).encode(), 9)
        (HERE / f"{project}.inv").write_bytes(head.encode() + body)
        print(f"{project}.inv: {len(entries)} names")


if __name__ == "__main__":
    main()
