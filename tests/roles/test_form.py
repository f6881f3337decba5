"""The warning about first outputs that rarely have the form."""

from __future__ import annotations

from visplay.roles.form import FormCheck
from visplay.types import Completion


def said(text: str, finished: bool = True) -> Completion:
    return Completion("r", 0, (1,), (0.0,), text, finished)


def warned(*steps: list[tuple[Completion, bool]]) -> list[str]:
    found: list[str] = []
    check = FormCheck("Questioner", "<question>", "questioner.sampling.max_tokens", found.append)
    for outputs in steps:
        check.look(outputs)
    return found


def test_few_outputs_in_the_form_are_told_once_with_one_of_the_others() -> None:
    bad = [(said("cut", finished=False), False), (said("I'd ask\nthis"), False)] + [(said("x"), False)] * 8
    (text,) = warned([], [(said("good"), True), *bad], bad)
    assert text.startswith("warning: 1 of the Questioner's first 11 outputs have the form <question>, and 1 were cut ")
    assert "docs/recipes" in text and text.endswith("\n  I'd ask\\nthis")


def test_a_fifth_is_enough_and_later_steps_are_not_checked() -> None:
    bad = [(said("x"), False)] * 4
    assert warned([(said("good"), True), *bad], bad) == []


def test_outputs_that_were_cut_off_name_the_setting() -> None:
    (text,) = warned([(said("<think>hm", finished=False), False)] * 3)
    assert "raise questioner.sampling.max_tokens." in text


def test_an_output_can_do_nothing_to_a_terminal() -> None:
    (text,) = warned([(said("\x1b[2J" + "long " * 10_000 + "\nend\x07"), False)])
    assert all(part.isprintable() for part in text.split("\n")) and text.count("\n") == 1
    assert len(text) < 800 and "\\x1b[2J" in text and text.endswith("end\\x07")
    (text,) = warned([(said(""), False)])
    assert text.endswith("(empty)")
