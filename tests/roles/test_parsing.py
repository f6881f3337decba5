"""Lists of what is seen: how they are read, and how they are asked for."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.config import ReasonerSettings
from visplay.interfaces.engine import Sampling
from visplay.roles.prompts import Prompts
from visplay.roles.reasoner import Reasoner, read_facts
from visplay.types import Completion, ImageRef, Question, Request


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("<facts>red car, small brown dog, small brown dog</facts>", ("red car", "small brown dog", "small brown dog")),
        ("<facts>\n Red  Car,\nDOG ,</facts>", ("red car", "dog")),
        ("I see: <facts>dog</facts> and no more", ("dog",)),
        ("<facts>None</facts>", ()),
        ("<facts>nothing, dog, no</facts>", ("dog",)),
        ("<facts></facts>", ()),
        ("<facts>dog</facts><facts>cat</facts>", ("dog",)),
        ("<think>red circle, blue cross. so there are 2</think> \\boxed{2}", ("red circle", "blue cross")),
        ("<think>none. so there are 0</think> \\boxed{0}", ()),
        ("<think>red circle</think>", ("red circle",)),
        # A block is the list, wherever it stands; thoughts are one only where there is no block.
        ("<think>Let me look, first.</think> <facts>dog</facts>", ("dog",)),
        ("<think>\nLet me look.\n</think>\n<facts>dog</facts>", ("dog",)),
        ("red car, dog", None),
        ("<facts>dog", None),
        ("<facts>dog<facts>", None),
        ("<facts>a < b</facts>", None),
        ("dog</facts>", None),
        ("", None),
    ],
)
def test_a_list_is_read_from_its_block(text: str, facts: tuple[str, ...] | None) -> None:
    assert read_facts(text, learned=True) == facts


def test_thoughts_are_a_list_only_to_a_model_that_was_trained_to_begin_so() -> None:
    assert read_facts("<think>\nLet me look.\n</think>") is None
    assert read_facts("<think><facts>dog</facts>") is None
    assert read_facts("<think>not <facts>dog</facts></think><facts>cat</facts>") == ("cat",)
    assert read_facts("<think>red circle. so there is 1</think>") is None


PIECES = ["<facts>", "</facts>", "<think>", "</think>", "dog", "none", ",", ".", "\n", " ", "<", "é"]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5)).map("".join))
def test_any_text_holds_a_list_of_clean_phrases_or_none(text: str) -> None:
    for facts in (read_facts(text, learned=True), read_facts(f"<facts>{text}</facts>")):
        for phrase in facts or ():
            assert phrase == " ".join(phrase.split()) and phrase and "," not in phrase


@pytest.mark.parametrize("piece", ["<facts>", "<think>", "<facts>dog,", "<think>,", "a,", ",", " ", "<"])
def test_a_hostile_text_takes_no_time_and_gives_no_endless_list(piece: str) -> None:
    text = piece * 200_000
    started = time.process_time()
    for whole in (text, f"<facts>{text}</facts>", f"<think>{text}"):
        assert len(read_facts(whole, learned=True) or ()) <= 200
    assert time.process_time() - started < 2


class Seer:
    """An engine that says the same of every image, its second look cut short; it keeps the requests."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[Request] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        self.asked += requests
        return {
            r.id: tuple(Completion(r.id, i, (1,), (0.0,), self.text, finished=i != 1) for i in range(r.n))
            for r in requests
        }


HERE, THERE = ImageRef("here", b""), ImageRef("there", b"")
QUESTIONS = [
    Question("a", HERE, "open", "is there a dog?"),
    Question("b", THERE, "open", "is there a cat?"),
    Question("c", HERE, "open", "is there a cow?"),
]


def seen(engine: Seer, n: int, *augmentations: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    prompts = Prompts(questioner="ask", reasoner="{question}", facts="list", learned=True)
    return Reasoner(engine, prompts, ReasonerSettings(), 0).facts(QUESTIONS, n, augmentations)  # type: ignore[arg-type]


def test_each_image_is_looked_at_once_over_the_views_that_keep_its_colours() -> None:
    engine = Seer("<facts>dog</facts>")
    found = seen(engine, 6, "plain", "darker", "recoloured", "mirrored")
    looks = {(r.image.id, r.n, r.prompt) for r in engine.asked}
    shares = {"": 3, "~darker": 2, "~mirrored": 1}
    assert looks == {
        (f"{image}{augmentation}", n, "list") for image in ("here", "there") for augmentation, n in shares.items()
    }
    assert len({r.id for r in engine.asked}) == len(engine.asked) == 6
    # Two of the six looks at each were cut short.
    assert found == {"here": (("dog",),) * 4, "there": (("dog",),) * 4}


def test_an_answer_without_a_list_gives_none_and_an_empty_list_is_one() -> None:
    assert seen(Seer("a dog"), 4, "plain") == {"here": (), "there": ()}
    assert seen(Seer("<facts>none</facts>"), 1, "plain") == {"here": ((),), "there": ((),)}
