"""Every question of a run: found by what is asked of it, shown whole, followed through the iterations."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.report.planted import SETTINGS, Written, asked, candidate, silver_set, synthesis
from visplay.config import load_settings
from visplay.labeling.files import GROUPS, answer_rows, synthesis_rows, write_record, write_silver
from visplay.report.gallery import Gallery, ImageList, Query
from visplay.roles.questioner import Asked
from visplay.runs import RunDirectory
from visplay.runs.files import write_json
from visplay.runs.open_run import open_run
from visplay.runs.schemas import ASKED
from visplay.types import Completion, Evidence, Group, ImageRef, Question, Request, StepId

KINDS = ("open", "numerical", "multiple choice")


@pytest.fixture
def gallery(written: Written) -> Gallery:
    """A step of the Questioner and a silver set, in each of two iterations."""
    for iteration in (1, 2):
        asked(written.path, iteration, 0)
        written.silver(iteration, silver_set(iteration))
    return Gallery(written.path)


def rows(gallery: Gallery, **wanted: Any) -> list[dict[str, Any]]:
    return list(gallery.find(Query(**wanted))["rows"])


def ids(gallery: Gallery, **wanted: Any) -> list[str]:
    return [row["id"] for row in rows(gallery, **wanted)]


def test_all_that_was_asked_is_there_in_the_order_in_which_it_was_asked(gallery: Gallery) -> None:
    names = ["1/questioner/0/p/1#0", "1/questioner/0/p/1#1"]
    names += [f"1/silver/p/{n}" for n in ("1#0", "1#1", "2#0", "2#1")]
    both = names + ["2" + name[1:] for name in names]
    assert ids(gallery, order="time") == both
    assert ids(gallery) == both[::-1]
    choices = gallery.choices()
    assert (choices["total"], choices["kept"], choices["lost"]) == (12, 6, 6)
    assert choices["iterations"] == {1: 6, 2: 6} and choices["phases"] == {"silver": 8, "questioner": 4}
    assert choices["types"] == {"multiple choice": 2, "numerical": 2, "open": 6}
    assert choices["gates"] == {"invalid": 2, "band": 2, "unlabelled": 2}


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Query(iteration=1), 6),
        (Query(phase="questioner"), 4),
        (Query(type="numerical"), 2),
        (Query(kept=True), 6),
        (Query(kept=False, iteration=2), 3),
        (Query(gate="band"), 2),
        (Query(gate="unlabelled"), 2),
        (Query(gate="invalid"), 2),
        (Query(least=0.75, most=0.75), 2),
        (Query(least=0.5), 8),
        (Query(most=0.2), 4),
        (Query(image="p/2"), 4),
        (Query(image="p"), 0),
        (Query(text="how MANY"), 2),
        (Query(text="RUBBISH"), 2),
        (Query(text="i see it is blue"), 2),
        (Query(text="(.*"), 0),
        (Query(iteration=1, phase="silver", kept=True, type="open", text="shape"), 1),
        (Query(iteration=9), 0),
    ],
)
def test_questions_are_found_by_what_is_asked_of_them(gallery: Gallery, wanted: Query, count: int) -> None:
    found = gallery.find(wanted)
    assert found["total"] == count == len(found["rows"])


def test_a_list_is_sorted_and_cut(gallery: Gallery) -> None:
    falling = [row["confidence"] for row in rows(gallery, order="-confidence")]
    assert falling == sorted(falling, reverse=True) and falling[0] == 1.0
    assert rows(gallery, order="-reward")[0]["reward"] == 0.375
    assert rows(gallery, order="reward")[0]["reward"] == 0.0
    texts = [row["question"] for row in rows(gallery, order="text")]
    assert texts == sorted(texts)
    whole = rows(gallery, order="confidence")
    pages = [gallery.find(Query(order="confidence", start=start, count=5)) for start in (0, 5, 10, 15)]
    assert [row for page in pages for row in page["rows"]] == whole
    assert [(page["start"], page["total"], len(page["rows"])) for page in pages] == [
        (0, 12, 5),
        (5, 12, 5),
        (10, 12, 2),
        (15, 12, 0),
    ]


def test_a_dropped_question_is_shown_with_its_votes_and_the_reason(gallery: Gallery) -> None:
    shown = gallery.item("1/silver/p/1#1")
    assert shown is not None and shown["reward"] is None
    assert (shown["gate"], shown["kept"], shown["answer"]) == ("band", False, "yes")
    assert shown["reason"] == "1.00 is not within 0.60 to 0.90"
    unlabelled = gallery.item("1/silver/p/2#0")
    assert unlabelled is not None
    assert (unlabelled["gate"], unlabelled["answer"], unlabelled["unboxed"]) == ("unlabelled", None, 3)
    assert (unlabelled["majority"], unlabelled["majority_share"]) == ("1", 0.25)
    assert unlabelled["reason"] == "the votes are at odds with what else was asked about the image"
    assert gallery.item("1/silver/p/9#9") is None


def test_votes_are_shown_with_their_reasoning_and_who_agrees(gallery: Gallery) -> None:
    shown = gallery.item("2/silver/p/1#0")
    assert shown is not None and (shown["majority"], shown["majority_share"]) == ("red", 0.75)
    assert shown["agrees"] == [True, True, False, True]
    assert shown["votes"] == ["red", "red", "blue", "red"] and shown["reasoning"][2] == "I see it is blue"
    assert shown["augmentations"] == ["plain"] * 4 and shown["logprobs"] == [-0.5] * 4


def test_a_reward_is_shown_with_its_parts(gallery: Gallery) -> None:
    shown = gallery.item("1/questioner/0/p/1#0")
    assert shown is not None
    parts = {"base_reward": 0.75, "diversity_penalty": 0.25, "history_penalty": 0.125, "reward": 0.375}
    assert parts.items() <= shown.items() and shown["rule"] == "chance_corrected"
    rubbish = gallery.item("1/questioner/0/p/1#1")
    assert rubbish is not None and rubbish["type"] == "" and rubbish["question"] == "rubbish"
    assert (rubbish["gate"], rubbish["reason"], rubbish["agrees"]) == ("invalid", "not in the agreed form", [])


def test_a_image_is_followed_through_the_iterations(written: Written, gallery: Gallery) -> None:
    story = gallery.story("p/1")
    assert [(then["iteration"], len(then["rows"])) for then in story["iterations"]] == [(1, 4), (2, 4)]
    assert set(gallery.storied()) == {"p/1", "p/2"} and story["anchored"] == []
    assert gallery.story("nowhere")["iterations"] == []
    short = gallery.story("p/1", most=3)["iterations"]
    assert [(len(then["rows"]), then["more"]) for then in short] == [(3, 1), (3, 1)]
    folder = written.path / "acceptance"
    folder.mkdir()
    frozen = synthesis([candidate("acceptance/h/1#0", "what is it?", ["cat"] * 4, "h/1")], {})
    write_silver(folder / "anchor.parquet", frozen.items, 0)
    for iteration, answer in enumerate(("cat", "dog")):
        write_json(folder / f"iteration-{iteration}.json", {"acceptance/h/1#0": {"answer": answer, "confidence": 0.5}})
        write_record(folder, StepId(iteration, "accept", 0), synthesis_rows(frozen))
    held = gallery.story("h/1")
    assert [row["id"] for then in held["iterations"] for row in then["rows"]] == [
        "0/acceptance/h/1#0",
        "1/acceptance/h/1#0",
    ]
    (anchored,) = held["anchored"]
    answers = [{"iteration": t, "answer": answer, "confidence": 0.5} for t, answer in enumerate(("cat", "dog"))]
    assert anchored == {"question": "what is it?", "held_out_answers": answers}


def test_what_comes_while_one_looks_is_seen_and_a_step_that_is_done_again_is_not_doubled(
    written: Written, gallery: Gallery
) -> None:
    assert gallery.choices()["total"] == 12
    asked(written.path, 3, 0)
    assert gallery.choices()["total"] == 14
    asked(written.path, 3, 0)
    (written.path / "asked" / "3-silver-0.parquet.part").write_bytes(b"half")
    (written.path / "asked" / "3-questioner-1.parquet").write_bytes(b"damaged")
    assert gallery.choices()["total"] == 14


def test_a_run_that_has_asked_nothing_yet_is_an_empty_gallery(written: Written) -> None:
    gallery = Gallery(written.path)
    assert rows(gallery, text="x", order="-confidence") == [] and gallery.choices()["total"] == 0
    assert gallery.storied() == [] and gallery.texts(1) == []


def test_texts_are_those_of_the_synthesis(gallery: Gallery) -> None:
    assert gallery.texts(2) == [
        "what color is the circle?",
        "is it a circle?",
        "How many circles?",
        "what shape is it?",
    ]


def test_all_that_a_synthesis_asked_is_there_with_why_it_was_dropped(written: Written) -> None:
    request = Request("1/silver/p/1", ImageRef("p/1", b""), "ask", 4)
    completions = [
        Completion(request.id, i, (1,), (0.0,), text, i != 3) for i, text in enumerate(("", "", "bad", "cut"))
    ]
    again = Question(f"{request.id}#1", request.image, "open", "What is it?")
    left_out = [Asked(request, completions[1], again), *(Asked(request, each, None) for each in completions[2:])]
    evidence = (Evidence("cat, dog", "cat"), Evidence("", None))
    one = replace(candidate(f"{request.id}#0", "what is it?", ["cat"] * 4), evidence=evidence)
    written.silver(1, replace(synthesis([one], {}, asked=4), left_out=tuple(left_out)))
    gallery = Gallery(written.path)
    dropped = {row["id"][-1]: (row["gate"], row["question"], row["type"]) for row in rows(gallery, kept=False)}
    assert dropped == {
        "1": ("repeated", "What is it?", "open"),
        "2": ("invalid", "bad", ""),
        "3": ("invalid", "cut", ""),
    }
    assert gallery.choices()["gates"] == {"invalid": 2, "repeated": 1} and gallery.choices()["lost"] == 3
    assert gallery.texts(1) == ["what is it?"], "signs of health are about the candidates"
    shown, cut = gallery.item(one.question.id), gallery.item(f"{request.id}#3")
    assert shown is not None and (shown["evidence"], shown["findings"]) == (["cat, dog", ""], ["cat", None])
    assert cut is not None and cut["reason"] == "too long: it was cut off"


def test_trained_answers_are_neither_kept_nor_dropped(written: Written, gallery: Gallery) -> None:
    items = silver_set(1).items
    requests = [Request(f"1/reasoner/0/{item.question.id}", item.question.image, "answer", 2) for item in items]
    groups = [
        Group(r, tuple(Completion(r.id, i, (1,), (-0.5,), text, True) for i, text in enumerate(texts)), (1.0, 0.0))
        for r, texts in zip(requests, [("\\boxed{red}", "blue")] * len(items), strict=True)
    ]
    named = {request.id: item for request, item in zip(requests, items, strict=True)}
    write_record(written.path, StepId(1, "reasoner", 0), answer_rows(groups * 9, named))
    found = rows(gallery, phase="reasoner")
    assert len(found) == GROUPS and not rows(gallery, phase="reasoner", kept=False) and gallery.choices()["lost"] == 6
    shown = gallery.item(requests[0].id)
    assert shown is not None and (shown["kept"], shown["votes"], shown["rewards"]) == (None, ["red", None], [1.0, 0.0])
    assert (shown["agrees"], shown["reward"], shown["answer"]) == ([True, False], 0.5, "red")
    assert requests[0].id in gallery.sample(40)
    told = [row["phase"] for then in gallery.story("p/1")["iterations"] for row in then["rows"]]
    assert told and "reasoner" not in told


def test_records_of_earlier_code_are_shown_without_what_they_lack(written: Written) -> None:
    asked(written.path, 1, 0)
    file = written.path / "asked" / "1-questioner-0.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["evidence", "findings", "rewards"]), file)
    shown = Gallery(written.path).item("1/questioner/0/p/1#0")
    assert shown is not None and shown["evidence"] is None and len(shown["votes"]) == 4
    asked(written.path, 1, 1)
    assert open_run(written.path).asked().num_rows == 4


def test_ten_thousand_questions_are_quick(tmp_path: Path) -> None:
    """Reasoning of real length; limits are those of the issue, in seconds of this process."""
    words = "The image shows a street with several parked cars, a red bus and two people who wait. " * 3
    RunDirectory.create(tmp_path / "run", load_settings("facts", SETTINGS)).close()
    for iteration in range(1, 6):
        rows = [
            {
                **{"id": f"{iteration}/silver/{n}#0", "image": f"p/{n % 900}", "type": KINDS[n % 3]},
                **{"question": f"how many cars are on image {n}?", "answer": str(n % 7), "confidence": n % 8 / 8},
                **{"kept": n % 2 == 0, "gate": None if n % 2 == 0 else "band", "reason": ""},
                **{"votes": [str(n % 7)] * 8, "augmentations": ["plain"] * 8, "logprobs": [-0.1] * 8},
                "reasoning": [f"{words} {n} {vote}" for vote in range(8)],
            }
            for n in range(2000)
        ]
        write_record(tmp_path / "run", StepId(iteration, "silver", 0), rows)
    begun = time.process_time()
    gallery = Gallery(tmp_path / "run")
    assert gallery.find(Query())["total"] == 10_000
    first = time.process_time() - begun
    gallery.item("5/silver/7#0")  # what is loaded once is loaded
    spent = {}
    for wanted in (
        Query(text="1999 7", order="-confidence"),
        Query(text="street", kept=True, order="-confidence"),
        Query(iteration=3, type="open", least=0.5, order="-confidence"),
    ):
        begun = time.process_time()
        found = gallery.find(wanted)
        spent[repr(wanted)] = time.process_time() - begun
        assert found["total"] > 0 and gallery.item(found["rows"][0]["id"]) is not None
    assert first < 1.0 and max(spent.values()) < 0.2, (first, spent)


def test_a_record_is_the_schema_that_is_promised(written: Written) -> None:
    asked(written.path, 1, 0)
    assert pq.read_schema(written.path / "asked" / "1-questioner-0.parquet").names == ASKED.names


def test_images_are_small_whole_and_only_those_of_the_run() -> None:
    album = ImageList(load_settings("facts", ["images=easy-vqa"]))
    first = album.thumbnail("easy-vqa/17", 256)
    assert first is not None
    with Image.open(io.BytesIO(first)) as shown:
        assert (shown.format, shown.size) == ("WEBP", (256, 256))
    small = album.thumbnail("easy-vqa/17", 40)
    assert small is not None and Image.open(io.BytesIO(small)).size == (40, 40)
    assert album.thumbnail("easy-vqa/9999999") is None and album.thumbnail("../../config.yaml") is None


def test_a_source_that_is_gone_gives_no_images(tmp_path: Path) -> None:
    assert ImageList(load_settings("facts", [f"images={tmp_path / 'gone'}"])).thumbnail("a.png") is None
