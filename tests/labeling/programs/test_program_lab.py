"""Against the lab: from a scene's true record, the lab's questions are answered as its oracle answers them."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from visplay.lab.language import KINDS, Query, read, write
from visplay.lab.oracle import matching, truth
from visplay.lab.questions import careless_query, random_query, random_two_hop
from visplay.lab.scene import ALL_PAIRS, random_scene
from visplay.lab.scene import Scene as Drawing
from visplay.labeling.programs.answering import FAMILIES, answer
from visplay.labeling.programs.asking import drawn
from visplay.labeling.programs.family import Draft
from visplay.labeling.records.schema import Scene, Thing

ASKED = tuple(kind for kind in KINDS if kind != "record")  # "record" asks for a list in the lab's own form


def true_record(drawing: Drawing) -> Scene:
    things = (
        Thing(name=t.shape, attributes={"color": t.color}, row=t.row, column=t.column, size=t.size)
        for t in drawing.things
    )
    return Scene(things=tuple(things), complete=("thing",))


def drawings(count: int) -> list[Drawing]:
    rng = np.random.default_rng(20)
    return [random_scene(rng, int(rng.integers(1, 7)), ALL_PAIRS) for _ in range(count)]


def test_answers_are_those_of_the_oracle() -> None:
    rng = np.random.default_rng(0)
    results: dict[str, Counter[str]] = defaultdict(Counter)
    for drawing in drawings(300):
        queries = [make(kind, drawing, rng) for kind in ASKED for make in (random_query, careless_query)]
        queries += [random_two_hop(drawing, rng) for _ in range(6)]
        for query in filter(None, queries):
            text = write(query, rng)
            true, said = truth(text, drawing), answer(text, true_record(drawing))
            if true is not None:
                results[_kind(query)]["silent" if said is None else "right" if said == true else "wrong"] += 1
            else:
                results[_kind(query)]["made up" if said is not None else "rightly silent"] += 1
    for kind, counts in sorted(results.items()):
        print(f"{kind:16} {dict(counts)}")
    total = sum(results.values(), Counter())
    answered, asked = total["right"] + total["wrong"], total["right"] + total["wrong"] + total["silent"]
    assert total["right"] >= 0.97 * answered
    assert total["silent"] <= 0.15 * asked
    assert total["made up"] <= 0.02 * (total["made up"] + total["rightly silent"])


def _kind(query: Query) -> str:
    return f"{query.kind}, {query.relation}" if query.is_two_hop else query.kind


def test_the_plainest_wordings_are_in_the_lab_language() -> None:
    families = """attribute name exists absent count more fewer half beside bigger smaller attribute-beside
        attribute-by-distance count-beside count-same beside-nothing bigger-than-nothing""".split()
    rng = np.random.default_rng(1)
    nouns = ("black circle", "teal cross", "yellow triangle")
    for drawing in drawings(30):
        for family in FAMILIES["scene"]:
            for program in drawn(family, Draft(true_record(drawing), rng, nouns)) if family.name in families else ():
                question = program.wordings[0]
                assert read(question) is not None, question
                assert truth(question, drawing) in (program.answer, None), question


def test_a_false_premise_has_no_true_answer() -> None:
    rng = np.random.default_rng(2)
    asked = Counter[str]()
    for drawing in drawings(60):
        for family in (family for family in FAMILIES["scene"] if family.skill == "premise"):
            for program in drawn(family, Draft(true_record(drawing), rng, ("black circle", "teal cross"))):
                query = read(program.wordings[0])
                assert query is not None and truth(program.wordings[0], drawing) is None, program
                things = [noun for noun in (query.noun, query.other) if noun is not None]
                assert any(not matching(noun, drawing) for noun in things), program
                asked[family.name] += 1
    # Nouns of the lab say colour and shape, so that nothing is left to ask of an absent thing.
    assert set(asked) == {"beside-nothing", "bigger-than-nothing"} and min(asked.values()) > 60
