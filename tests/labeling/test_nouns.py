"""Noun phrases: one and many, and which thing a noun names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.labeling.language import fold, names, read_noun


@pytest.mark.parametrize(
    "many, one",
    [
        ("red crosses", "red cross"),
        ("buses", "bus"),
        ("men", "man"),
        ("Two-Seaters", "two-seater"),
        ("young children", "young child"),
        ("ladies", "lady"),
        ("grey mice", "gray mouse"),
        ("stop signs", "stop sign"),
        ("running men", "running man"),
    ],
)
def test_the_plural_reads_as_the_singular(many: str, one: str) -> None:
    assert read_noun(many) == read_noun(one) == one


@pytest.mark.parametrize(
    "text",
    ["", "the dog", "two dogs", "dog and cat", "man in a hat", "man wearing glasses", "man running", "something",
     "very small old brown dog", "dog?", "room 7"],
)  # fmt: skip
def test_what_is_no_plain_noun_is_not_read(text: str) -> None:
    assert read_noun(text) is None


@given(st.from_regex(r"[a-z]{2,12}", fullmatch=True))
def test_a_word_whose_number_is_unsure_equals_itself_with_an_s(word: str) -> None:
    assert fold(word) == fold(fold(word))
    assert fold("kiwis") == fold("kiwi") and fold("menus") == fold("menu") and fold("glasses") == fold("glass")


@pytest.mark.parametrize(
    "noun, phrase, named",
    [
        ("circle", "red circle", True),
        ("red shape", "red circle", True),
        ("object", "small brown dog", True),
        ("brown dog", "small brown dogs", True),
        ("red circle", "blue circle", False),
        ("circle", "red cross", False),
        ("car", "car door", None),
        ("red circle", "circle", None),
        ("small dog", "brown dog", None),
        ("animal", "brown dog", None),
        ("dog", "small thing", None),
        ("person", "tall man", True),
        ("tall man", "person", None),
        ("boy", "child", None),
        ("man", "tree", False),
        ("gray car", "grey car", True),
    ],
)
def test_what_a_noun_names(noun: str, phrase: str, named: bool | None) -> None:
    assert names(noun, phrase) is named
