"""Image sources: their short notation, what they open, and who observes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from visplay.config import check_settings
from visplay.data.sources.folder import FolderSource, folder
from visplay.errors import ConfigError
from visplay.interfaces.component import read_component
from visplay.interfaces.image_source import ImageSource
from visplay.lab.drawings import SOURCES, drawings
from visplay.lab.sources.drawings import LabSource
from visplay.lab.sources.easy_vqa import EasyVQASource


def source(text: str) -> ImageSource:
    found = read_component("image_source", text)
    assert isinstance(found, ImageSource)
    return found


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("easy-vqa", EasyVQASource()),
        ("./easy-vqa", FolderSource(path=Path("easy-vqa"))),
        ("photos", FolderSource(path=Path("photos"))),
        ("lab", FolderSource(path=Path("lab"))),
        *((f"lab/{style}", LabSource(style=style)) for style in SOURCES),
    ],
)
def test_a_word_names_a_source(text: str, meant: ImageSource) -> None:
    assert source(text) == meant
    assert str(meant) == text.removeprefix("./")
    assert read_component("image_source", meant.as_settings()) == meant


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
def test_any_other_word_is_a_folder(text: str) -> None:
    if text != "easy-vqa" and not text.startswith("lab/"):
        assert source(text) == FolderSource(path=Path(text))


def test_unknown_drawings_are_refused_before_anything_is_drawn() -> None:
    with pytest.raises(ConfigError, match=r"^here: images: .*no lab drawings 'cubist'; choose one of lab/[^\n]*$"):
        check_settings({"images": "lab/cubist"}, "here")


def test_a_folder_opens_its_images_and_nobody_observes_them(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    photos = FolderSource(path=tmp_path)
    assert photos.open(seed=0) == photos.open(seed=1) == folder(tmp_path)
    assert photos.observer(seed=0) is None


def test_the_lab_draws_from_the_seed_and_is_observed() -> None:
    few = LabSource(style="single", count=3)
    catalogue = few.open(seed=2)
    assert (catalogue.source, catalogue.images) == ("lab/single", drawings("single", 3, 2)[0])
    assert catalogue.images != few.open(seed=3).images
    assert few.observer(seed=2) is not None and EasyVQASource().observer(seed=0) is not None
