"""Pictures, tables and numbers of the documentation are those of the figures it keeps."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs" / "figures"
RUN = [sys.executable, str(ROOT / "tests" / "benchmarks" / "run.py")]
AGAIN = "python tests/benchmarks/run.py --show docs/figures/figures.json --draw docs/figures"

pytestmark = pytest.mark.skipif(not FIGURES.exists(), reason="the documentation is not here")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    command = [*RUN, "--show", str(FIGURES / "figures.json"), "--draw", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


def words(picture):
    return [text for text in ElementTree.parse(picture).getroot().itertext() if text.strip()]


def test_all_files_are_kept(drawn):
    assert {path.name for path in FIGURES.iterdir()} == {
        "figures.json",
        *(path.name for path in drawn.iterdir()),
    }


def test_tables_and_numbers_are_those_of_the_figures(drawn):
    for table in drawn.glob("*.inc"):
        assert table.read_text() == (FIGURES / table.name).read_text(), AGAIN


def test_what_is_written_in_pictures_is_from_the_figures(drawn):
    pictures = list(drawn.glob("*.svg"))
    assert pictures
    for picture in pictures:
        assert words(picture) == words(FIGURES / picture.name), AGAIN


def test_numbers_of_the_readme_are_those_of_the_figures():
    numbers = dict(re.findall(r"\|(.+)\| replace:: (.+)", (FIGURES / "numbers.inc").read_text()))
    text = (ROOT / "README.md").read_text()
    written = re.findall(r"<!--= (.*?) -->(.*?)<!--/-->", text)
    assert written
    assert written == [(name, numbers[name]) for name, _ in written], AGAIN
