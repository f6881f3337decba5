"""Wording: whole, asking for what the parser reads, replaceable by the user."""

from __future__ import annotations

from pathlib import Path

import pytest

from visplay.errors import ConfigError
from visplay.labeling.records.reading import read_record
from visplay.roles.prompts import Prompts, load_prompts


def test_the_question_and_its_lettered_choices_reach_the_reasoner() -> None:
    prompt = Prompts().answer("which {question} is it?", ["red", "blue"])
    assert prompt.startswith("which {question} is it?\nA. red\nB. blue\n")
    assert "\\boxed{}" in prompt


def test_the_models_own_wording_is_used_unless_the_user_brings_one(tmp_path: Path) -> None:
    (tmp_path / "prompts.yaml").write_text('questioner: "ask."\nreasoner: "{question}"\nlearned: true\n')
    mine = tmp_path / "mine.yaml"
    mine.write_text('questioner: "write <type></type><question></question>"\nreasoner: "{question} \\\\boxed{}"\n')
    assert load_prompts(None, tmp_path).questioner == "ask."
    assert load_prompts(mine, tmp_path).questioner.startswith("write")
    assert load_prompts(None, None) == Prompts()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reasoner: no place for it", "{question}"),
        ("reasoner: '{question}'", "boxed"),
        ("questioner: just ask", "<type>"),
        ("questioner: ''", "blank"),
        ("wording: x", "must map"),
        ("facts: name all you see", "<facts>"),
        ("facts: ' '", "blank"),
        ("record: ' '", "blank"),
        ("record_complete: [thing]", "must be text"),
        ("facts: [red car]", "must be text"),
        ("reasoner: 3", "must be text"),
        ("{", "not valid YAML"),
    ],
)
def test_wording_the_parser_could_not_use_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "prompts.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        load_prompts(file)
    assert "\n" not in str(error.value)


def test_wording_is_saved_with_a_model_and_found_again(tmp_path: Path) -> None:
    prompts = Prompts(
        questioner="frag.", reasoner="{question}\n\\boxed{} – bitte", facts="zähl auf", record="?", learned=True
    )
    prompts.save(tmp_path / "prompts.yaml")
    assert load_prompts(None, tmp_path) == prompts


def test_kinds_that_are_always_listed_are_separated_by_commas() -> None:
    assert Prompts().complete_kinds == ()
    assert Prompts(record_complete="thing").complete_kinds == ("thing",)
    assert Prompts(record_complete=" car, fire truck ,").complete_kinds == ("car", "fire truck")


def test_the_examples_of_the_prompt_for_a_record_are_records() -> None:
    examples = [line for line in Prompts().record.split("\n") if line.startswith("{")]
    readings = [read_record(example) for example in examples]
    assert [reading.record and reading.record.kind for reading in readings] == ["scene", "chart", "document", "diagram"]
    assert {reading.form for reading in readings} == {"clean"}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml"):
        load_prompts(tmp_path / "nothing.yaml")
