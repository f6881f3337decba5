"""What several records of one image say together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.labeling.records.strategies import RECORDS
from visplay.labeling.records.reading import read_record
from visplay.labeling.records.schema import Chart, Document, Record, Scene, Series, Thing
from visplay.labeling.records.settle import Settled, settle


def seen(*phrases: str, complete: tuple[str, ...] = ()) -> list[Record | None]:
    return [read_record(phrase, complete).record for phrase in phrases]


def named(settled: Settled) -> list[str]:
    assert isinstance(settled.record, Scene)
    return [" ".join((*thing.attributes.values(), thing.name)) for thing in settled.record.things]


@given(RECORDS, st.integers(1, 4))
def test_equal_records_settle_on_themselves(record: Record, number: int) -> None:
    settled = settle([record] * number)
    assert settled.record == record and settled.contradicted == ()
    assert set(settled.confidence.values()) <= {1.0}


@given(st.lists(st.none() | RECORDS, max_size=4), st.randoms(), st.sampled_from([0.3, 0.5, 0.75, 1.0]))
def test_the_order_of_the_records_does_not_matter(records: list[Record | None], rng: object, share: float) -> None:
    shuffled = list(records)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = settle(records, share), settle(shuffled, share)
    assert (one.record, one.confidence, one.contradicted) == (other.record, other.confidence, other.contradicted)
    assert all(share - 1e-6 <= each <= 1 for path, each in one.confidence.items() if path[2:] != ("count",))


def test_a_thing_in_one_of_four_is_not_settled() -> None:
    settled = settle(seen("red car", "red car", "red car, dog", "red car"))
    assert named(settled) == ["red car"]
    assert settled.confidence["things", 0, "attributes", "color"] == 1.0
    assert settle(seen("dog", "", "", "")).record is None


def test_a_record_that_cannot_be_read_says_nothing_and_counts() -> None:
    settled = settle([*seen("red car", "red car", "red car"), None])
    assert named(settled) == ["red car"] and settled.confidence["things", 0] == 0.75
    assert len(settled.records) == 4 and settled.records[3] is None
    assert settle([*seen("red car"), None]).record is None
    assert settle([]).record is settle([None]).record is None


def test_a_value_that_is_not_settled_is_left_open_and_the_thing_stays() -> None:
    settled = settle(seen("red car", "red car", "orange car", "blue car"))
    assert named(settled) == ["car"]
    assert settle(seen("two cars", "two cars", "three cars", "cars")).record == Scene(
        things=(Thing(name="car", count="several"),)
    ), "and no number follows"


def test_places_may_differ_by_a_step() -> None:
    settled = settle(seen("red car 3 7 2", "red car 4 7 2", "red car 3 6 2", "red car 9 7 2"))
    assert isinstance(settled.record, Scene)
    assert settled.record.things == (Thing(name="car", attributes={"color": "red"}, row=3, column=7, size=2),)
    assert settled.confidence["things", 0, "row"] == 0.75


def test_things_are_matched_by_attributes_and_place_wherever_they_stand() -> None:
    left, right, blue = "red car 5 1 3", "red car 5 8 3", "blue car 5 5 3"
    settled = settle(
        seen(f"{left}, {right}, {blue}", f"{blue}, {left}, {right}", f"{right}, {left}", f"{right}, {blue}")
    )
    assert isinstance(settled.record, Scene)
    assert sorted((t.column, t.attributes["color"]) for t in settled.record.things) == [
        (1, "red"), (5, "blue"), (8, "red"),
    ]  # fmt: skip


@given(st.integers(0, 10**6))
def test_things_in_any_order_are_the_same_things(seed: int) -> None:
    rng = np.random.default_rng(seed)
    colors, names = ("red", "blue", "green"), ("car", "dog")
    things = [f"{rng.choice(colors)} {rng.choice(names)} {a} {b} {(3 * a + b) % 10}" for a in (1, 5) for b in (1, 4, 8)]
    records = seen(*(", ".join(rng.permutation(things)) for _ in range(4)), complete=("thing",))
    settled = settle(records)
    assert isinstance(settled.record, Scene) and isinstance(records[0], Scene)
    key = Thing.model_dump_json
    assert sorted(settled.record.things, key=key) == sorted(records[0].things, key=key)
    assert settled.record.complete == ("thing",)


def test_what_some_name_and_others_deny_is_not_known() -> None:
    settled = settle(seen("car, dog", "car, dog", "car, dog", "no cars, dog"))
    assert named(settled) == ["dog"] and settled.contradicted == ("car",)
    settled = settle(seen("no cars", "no cars", "no cars", "red car, dog"))
    assert settled.record == Scene() and settled.contradicted == ("car",)
    assert settle(seen("no cars", "no cars", "no cars", "dog")).record == Scene(absent=("car",))
    assert named(settle(seen(*["red car, no blue car"] * 4))) == ["red car"], "another car is denied"


def test_a_list_that_left_something_out_is_not_complete() -> None:
    records = seen("car, dog", "car", "car", "car", complete=("thing",))
    assert settle(records).record == Scene(things=(Thing(name="car"),))
    assert settle(records[1:]).record == Scene(things=(Thing(name="car"),), complete=("thing",))


def test_fields_and_series_go_by_their_keys() -> None:
    charts = [
        Chart(title="Sales", series=(Series(name="a", values={"2019": 1.0, "2020": second}), *more))
        for second, more in ((2.0, ()), (2.0, (Series(name="b", values={"2019": 5.0}),)), (2.0, ()), (7.0, ()))
    ]
    settled = settle(charts)
    assert settled.record == Chart(title="Sales", series=(Series(name="a", values={"2019": 1.0, "2020": 2.0}),))
    assert settled.confidence["series", 0, "values", "2020"] == 0.75
    papers = [Document(fields={"No": "7", "Total": total}, rows=(("a", "1"),)) for total in ("5", "5", "6", "8")]
    settled = settle(papers)
    assert settled.record == Document(fields={"No": "7"}, rows=(("a", "1"),))
    assert settle(papers, 0.5).record == Document(fields={"No": "7", "Total": "5"}, rows=(("a", "1"),))


@pytest.mark.parametrize(("kinds", "kind"), [("sssc", "scene"), ("cccs", "chart"), ("sscc", None)])
def test_a_record_of_another_kind_says_nothing(kinds: str, kind: str | None) -> None:
    records = [Scene(things=(Thing(name="car"),)) if each == "s" else Chart(title="car") for each in kinds]
    record = settle(records).record
    assert (record and record.kind) == kind
