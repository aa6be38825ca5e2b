"""The README's picture is what its script draws."""

import runpy
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "_static" / "digits.png"
AGAIN = "python examples/plot_digits.py docs/_static/digits.png"


def blocks(picture, side=20):
    """Mean brightness of blocks of pixels, blind to the shapes of letters."""
    gray = np.asarray(picture.convert("L"), dtype=float) / 255
    height, width = (n - n % side for n in gray.shape)
    return gray[:height, :width].reshape(height // side, side, -1, side).mean(axis=(1, 3))


@pytest.mark.skipif(not PICTURE.exists(), reason="the documentation is not here")
def test_the_picture_belongs_to_the_script(tmp_path, monkeypatch, capsys):
    drawn = tmp_path / "digits.png"
    monkeypatch.setattr(sys, "argv", ["plot_digits.py", str(drawn)])
    monkeypatch.setattr(plt, "show", lambda: None)
    runpy.run_path(str(ROOT / "examples" / "plot_digits.py"), run_name="__main__")
    plt.close("all")
    with Image.open(drawn) as new, Image.open(PICTURE) as kept:
        assert new.size == kept.size, f"The picture is out of date: {AGAIN}"
        if kept.text["Comment"] != f"scipy {scipy.__version__}":
            pytest.skip(f"the picture was made with {kept.text['Comment']}")
        difference = np.abs(blocks(new) - blocks(kept)).mean()
    # One image less among the misread moves all the others: 0.065. matplotlib 3.9 instead of 3.11
    # moves the frames by a pixel: 0.008.
    assert difference < 0.03, f"The picture is out of date: {AGAIN}"
