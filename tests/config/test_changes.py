"""What a resumed run may change is declared at the fields, and listed in the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from visplay.config import Settings, load_settings
from visplay.config.changes import changed_settings, check_resumable, may_change, words
from visplay.errors import ConfigError
from visplay.interfaces.component import RESUMABLE, Section

ROOT = Path(__file__).parents[2]
BEFORE = load_settings("facts")


def marked(section: type[Section], above: str = "") -> Iterator[str]:
    """The dotted keys of all fields that are annotated with `MayChange`."""
    for name, field in section.model_fields.items():
        if RESUMABLE in field.metadata:
            yield f"{above}{name}"
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from marked(field.annotation, f"{above}{name}.")


def test_the_documentation_lists_the_marked_settings() -> None:
    text = (ROOT / "docs" / "resuming.md").read_text(encoding="utf-8")
    listed = [key for row in re.findall(r"^\| (`.*?) \|", text, re.M) for key in re.findall(r"`([^`]+)`", row)]
    assert sorted(listed) == sorted([*marked(Settings), "--processes"])


@pytest.mark.parametrize(
    ("change", "key", "may"),
    [
        ("rl.learning_rate=1e-6", "rl.learning_rate", True),
        ("questioner.learning_rate=null", "questioner.learning_rate", True),
        ("engine.batch=8", "engine.batch", True),
        ("engine=vllm", "engine", True),
        ("seed=3", "seed", False),
        ("silver.gates.band.low=0.5", "silver.gates.band.low", False),
        ("silver.gates=[answered]", "silver.gates", False),
        ("questioner.sampling.max_tokens=9", "questioner.sampling.max_tokens", False),
        ("reasoner.questions_per_step=9", "reasoner.questions_per_step", False),
        ("images=lab/noisy", "images", False),
        ("evaluation.endpoints.all=[easy_vqa]", "evaluation.endpoints.all", False),
    ],
)
def test_a_change_is_found_by_its_key(change: str, key: str, may: bool) -> None:
    after = load_settings("facts", [change])
    found = changed_settings(BEFORE, after)
    assert list(found) == [key] and may_change(key, after) is may
    if may:
        check_resumable(found, after)
    else:
        with pytest.raises(ConfigError, match=re.escape(f": {key} (")):
            check_resumable(found, after)


def test_all_that_is_kept_is_named_in_one_line_with_both_values() -> None:
    after = load_settings("facts", ["seed=3", "rl.kl=0.5", "rl.learning_rate=1e-6", 'prompts="a\\nb.yaml"'])
    with pytest.raises(ConfigError) as caught:
        check_resumable(changed_settings(BEFORE, after), after)
    said = str(caught.value)
    assert "seed (0, now 3)" in said and "rl.kl (0.01, now 0.5)" in said and r"a\nb.yaml" in said
    assert "learning_rate" not in said and "\n" not in said


def test_changes_in_words() -> None:
    after = load_settings("facts", ["rl.learning_rate=1e-6", "engine=vllm", "checkpoint_every=5"])
    assert words(changed_settings(BEFORE, after)) == (
        "checkpoint_every 1 → 5, engine transformers → vllm, rl.learning_rate 1.5e-05 → 1e-06"
    )
