"""Configuration of Sphinx: everything is local, a build fetches nothing."""

import re
import warnings
from pathlib import Path

from sphinx_gallery.sorting import ExplicitOrder

import skbackprop

project = "skbackprop"
author = "The skbackprop developers"
copyright = "2026, " + author
version = release = skbackprop.__version__

extensions = [
    "myst_parser",  # for CHANGELOG.md
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinx-mathjax-offline",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "auto_examples/**/*.ipynb", "auto_examples/**/*.md5"]

nitpicky = True
# Named, but documented elsewhere.
nitpick_ignore_regex = [("py:.*", r"(collections|joblib|matplotlib)\..*")]
# The inventories hold the names that these pages use: docs/inventories/make.py writes them.
intersphinx_mapping = {
    "numpy": ("https://numpy.org/doc/stable/", "inventories/numpy.inv"),
    "scipy": ("https://docs.scipy.org/doc/scipy/", "inventories/scipy.inv"),
    "sklearn": ("https://scikit-learn.org/stable/", "inventories/sklearn.inv"),
}
smartquotes = False  # a quoted value can be pasted into code
maximum_signature_line_length = 80
python_trailing_comma_in_multi_line_signatures = False

autosummary_generate = True
default_role = "literal"  # `theta` in a docstring is a name of the code
autodoc_typehints = "none"  # the docstrings say it
toc_object_entries_show_parents = "hide"  # the column is narrow
numpydoc_show_class_members = False  # the template of the class does it
numpydoc_xref_param_type = False
# What these pages show has a docstring, with every parameter under its own name, in order.
numpydoc_validation_checks = {"GL08", "PR01", "PR02", "PR03", "PR07"}
numpydoc_validation_exclude = {r"\.Status$"}  # the parameters of an enum are Python's

# The groups of the gallery, and the order in them, are written by hand.
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
listed = re.findall(r"^   (plot_\w+)$", (EXAMPLES / "index.rst").read_text(), flags=re.MULTILINE)

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "copyfile_regex": r"index\.rst",
    "minigallery_sort_order": ExplicitOrder([str(EXAMPLES / f"{name}.py") for name in listed]),
    "filename_pattern": r"/plot_",
    "doc_module": ("skbackprop",),
    "reference_url": {"skbackprop": None},
    "backreferences_dir": "generated/backreferences",
    "show_signature": False,
    "download_all_examples": False,
    "write_computation_times": False,  # the page would load its table from elsewhere
    "remove_config_comments": True,
}
# Pictures are drawn without a screen, and shown on the page.
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")

html_theme = "pydata_sphinx_theme"
html_title = "skbackprop"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_theme_options = {
    "logo": {"text": "skbackprop"},
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc", "sourcelink"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
html_sidebars = {"install": [], "whats_new": []}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def drop_foreign_references(app, what, name, obj, options, lines):
    """Turn the cross-references of inherited docstrings into plain text.

    scikit-learn's methods point into scikit-learn's own guide and glossary.
    """
    role = re.compile(r":(?:ref|term):`([^`<]*?)\s*(?:<[^`>]*>)?`")
    lines[:] = role.sub(r"\1", "\n".join(lines)).split("\n")


def setup(app):
    app.connect("autodoc-process-docstring", drop_foreign_references)
