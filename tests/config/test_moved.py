"""Old keys: each is refused with a sentence that names its new place, and the new place exists."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from visplay.config import Settings, check_settings, load_settings
from visplay.config.moved import MOVED, moved_keys
from visplay.errors import ConfigError

FILL = {"N": "64", "low": "0.3", "high": "0.9", "max_refusals": "0.5", "max_agreement": "0.5", "max_denials": "0.5"}
FILL |= {"kl": "0.5", "epsilon": "0.1", "clip_low": "0.1", "clip_high": "0.3"}
FILL |= {"format_weight": "0.5", "url": "http://localhost:8000", "augmentations": "[plain, darker]"}


def nested(key: str, value: Any) -> dict[str, Any]:
    """`a.b` and a value as `{a: {b: value}}`."""
    *sections, name = key.split(".")
    found = {name: value}
    for section in reversed(sections):
        found = {section: found}
    return found


@pytest.mark.parametrize("key", MOVED)
def test_an_old_key_is_refused_with_its_new_place(key: str) -> None:
    value = {"url": "http://localhost:8000"} if "." not in key else 1
    sentence = f"{key} is now {MOVED[key]}"
    with pytest.raises(ConfigError) as raised:
        check_settings(nested(key, value), "mine.yaml")
    assert str(raised.value) == f"mine.yaml: {sentence}"
    with pytest.raises(ConfigError, match=re.escape(sentence)) as raised:
        load_settings("paper-lab", [f"{key}=1"])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("key", ["vllm.sleep=false", "server.url=http://here:1"])
def test_a_setting_of_an_old_section_is_refused_too(key: str) -> None:
    section = key.partition(".")[0]
    with pytest.raises(ConfigError, match=re.escape(f"{section} is now {MOVED[section]}")):
        load_settings("paper-lab", [key])


def test_every_old_key_is_named_at_once() -> None:
    said = moved_keys({"generation_batch": 1, "silver": {"band_low": 0.2, "votes": 8}, "reasoner": {"trust": True}})
    assert [sentence.partition(" is now ")[0] for sentence in said] == [
        "generation_batch",
        "silver.band_low",
        "reasoner.trust",
    ]


def new_settings(place: str) -> dict[str, Any]:
    """The settings that a new place shows, with a value for every ellipsis."""
    key, separator, value = place.partition(": ")
    if not separator:
        return nested(key, _example(key))
    value = re.sub(r"(\w+): (N|\[?…\]?)(?=[,}])", lambda found: f"{found[1]}: {_fill(found[1], found[2])}", value)
    return nested(key, yaml.safe_load(value.replace(", …", "")))


def _fill(name: str, blank: str) -> str:
    return FILL["N"] if blank == "N" else FILL[name]


def _example(key: str) -> Any:
    """A value of the setting that is not its default."""
    here: Any = Settings()
    for section in key.split("."):
        here = getattr(here, section)
    if isinstance(here, bool):
        return not here
    if isinstance(here, int | float):
        return here + 0.25 if isinstance(here, float) else here + 1
    return {"image": "batch", "sequence": "token", None: "labelled.jsonl", ("plain",): ["plain", "darker"]}[here]


@pytest.mark.parametrize("place", sorted({place for place in MOVED.values() if not place.startswith("nothing")}))
def test_every_new_place_exists(place: str) -> None:
    values = new_settings(place)
    assert check_settings(values, "here", trained=False) != Settings(), "the example changes something"
    assert "…" not in str(values)
