"""A mixture has the images of its parts, and knows their scenes."""

from __future__ import annotations

import pytest

from visplay.config import load_settings
from visplay.errors import ConfigError
from visplay.interfaces.component import read_component
from visplay.lab.drawings import drawings
from visplay.lab.sources.easy_vqa import EasyVQASource
from visplay.lab.sources.mixture import Mixture
from visplay.types import Question

TEXT = "easy-vqa+lab/pastel"


def test_it_has_all_images_and_knows_every_scene() -> None:
    source = read_component("image_source", TEXT)
    assert isinstance(source, Mixture) and str(source) == TEXT
    images = source.open(3).images
    drawn, scenes = drawings("pastel", 4000, 3)
    assert images == EasyVQASource().open(3).images + drawn
    truth = source.truth(3)
    for image in drawn[:20]:
        asked = Question("q", image, "numerical", "how many shapes are there?")
        assert truth.answer(asked) == str(len(scenes[image.id].things))
    assert truth.answer(Question("q", images[0], "numerical", "how many shapes are there?")) == "1"
    assert source.observer(3) is not None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{type: mixture, parts: [easy-vqa]}", "at least 2"),
        ("{type: mixture, parts: [easy-vqa, photos]}", "'photos' cannot be mixed"),
        ("{type: mixture, parts: [easy-vqa, easy-vqa]}", "a source is there twice"),
        ("easy-vqa+lab/cubist", "no lab drawings 'cubist'"),
    ],
)
def test_other_mixtures_are_refused_in_one_line(value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        load_settings("default", [f"images={value}"], {})
    assert "\n" not in str(raised.value)


def test_a_run_keeps_the_mixture_in_its_settings() -> None:
    settings = load_settings("default", [], {"images": TEXT})
    again = load_settings("default", [], settings.model_dump(mode="json", include={"images"}))
    assert again.images == settings.images
