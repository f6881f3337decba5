"""Random records for Hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from visplay.labeling.records.schema import Chart, Diagram, Document, Part, Record, Scene, Series, Thing

WORDS = st.sampled_from("car dog sign tree bus glasses people sheep".split())
# What is denied is never among them, so that a record contradicts itself nowhere.
ABSENT = st.sampled_from(["cat", "red hat", "moon"])
STEP = st.none() | st.integers(0, 9)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
KEY = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


def tuples(of: st.SearchStrategy[Any], most: int = 4) -> st.SearchStrategy[Any]:
    return st.lists(of, max_size=most).map(tuple)


THINGS = st.builds(
    Thing,
    name=WORDS,
    attributes=st.dictionaries(KEY, KEY, max_size=2),
    count=st.integers(1, 1000) | st.just("several"),
    row=STEP,
    column=STEP,
    size=STEP,
    text=TEXT,
)
SCENES = st.builds(Scene, things=tuples(THINGS), absent=tuples(ABSENT), complete=tuples(WORDS, 2))
SERIES = st.builds(
    Series, name=TEXT, color=TEXT, values=st.dictionaries(KEY, st.floats(allow_nan=False, allow_infinity=False))
)
CHARTS = st.builds(Chart, form=TEXT, title=TEXT, unit=TEXT, series=tuples(SERIES))
DOCUMENTS = st.builds(
    Document,
    title=TEXT,
    fields=st.dictionaries(KEY, TEXT, max_size=4),
    header=tuples(TEXT),
    rows=tuples(tuples(TEXT)),
    texts=tuples(TEXT),
)
PARTS = st.builds(Part, name=KEY, label=TEXT, value=TEXT)
DIAGRAMS = st.builds(Diagram, title=TEXT, parts=tuples(PARTS), complete=tuples(WORDS, 2))
RECORDS: st.SearchStrategy[Record] = SCENES | CHARTS | DOCUMENTS | DIAGRAMS
