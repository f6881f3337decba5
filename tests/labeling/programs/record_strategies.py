"""Random records of each kind, for properties."""

from __future__ import annotations

from hypothesis import strategies as st

from visplay.labeling.records.schema import Chart, Diagram, Document, Part, Scene, Series, Thing

NAMES = ["car", "dog", "circle", "cross", "person", "woman", "traffic light", "stop sign", "bus", "table", "mug"]
COLORS = ["red", "blue", "gray", "orange"]
steps = st.integers(0, 9)
unsure = st.none() | steps | steps | steps
attributes = st.fixed_dictionaries(
    {},
    optional={
        "color": st.sampled_from(COLORS),
        "material": st.sampled_from(["wood", "metal"]),
        "state": st.sampled_from(["on", "off", "open"]),
        "holding": st.sampled_from(["umbrella", "red bag"]),
        "place": st.sampled_from(["road", "table"]),
        "wheels": st.sampled_from(["2", "4"]),
    },
)
things = st.builds(
    Thing,
    name=st.sampled_from(NAMES),
    attributes=attributes,
    count=st.sampled_from([1, 1, 1, 2, 3, "several"]),
    row=unsure,
    column=unsure,
    size=unsure,
    text=st.sampled_from(["", "STOP", "since 1984"]),
)
kinds = st.sampled_from([*NAMES, "red car", "object"])
scenes = st.builds(
    Scene,
    things=st.lists(things, max_size=6).map(tuple),
    absent=st.lists(kinds, max_size=2).map(tuple),
    complete=st.one_of(st.just(("thing",)), st.lists(kinds, max_size=3).map(tuple)),
)
shapes = st.builds(
    Thing,
    name=st.sampled_from(["circle", "cross", "triangle"]),
    attributes=st.fixed_dictionaries({"color": st.sampled_from(COLORS)}),
    row=steps,
    column=steps,
    size=steps,
)
drawings = st.builds(Scene, things=st.lists(shapes, min_size=2, max_size=6).map(tuple), complete=st.just(("thing",)))
labels = st.sampled_from(["2018", "2019", "2020", "Asia", "North America", "men", "women", "blue whales"])
values = st.dictionaries(labels, st.integers(-50, 200).map(lambda tenths: tenths / 10), min_size=1, max_size=6)
series = st.builds(
    Series, name=st.sampled_from(["Sales", "China", "exports"]), color=st.sampled_from(COLORS), values=values
)
charts = st.builds(
    Chart,
    form=st.sampled_from(["bar chart", "pie chart", "line chart", ""]),
    title=st.sampled_from(["Sales by year", "Population", ""]),
    unit=st.sampled_from(["", "%", "million", "USD"]),
    series=st.one_of(
        series.map(lambda one: (one,)), st.lists(series, max_size=3, unique_by=lambda one: one.name).map(tuple)
    ),
)
items = st.sampled_from(["Pen", "Paper", "Ink"])
prices = st.sampled_from(["2.50", "12", "$3", "7 kg", ""])
documents = st.builds(
    Document,
    title=st.sampled_from(["Invoice", ""]),
    fields=st.dictionaries(
        st.sampled_from(["Invoice number", "Date", "Total", "Company", "Author"]),
        st.sampled_from(["A-7", "2 May 2021", "Acme", "12.50"]),
    ),
    header=st.sampled_from([(), ("Item", "Price"), ("Item", "Price", "Quantity")]),
    rows=st.lists(st.tuples(items, prices, prices), max_size=3, unique_by=lambda row: row[0]).map(tuple),
    texts=st.lists(st.sampled_from(["Thank you", "Open daily", "EST. 1901"]), max_size=2).map(tuple),
)
parts = st.builds(
    Part,
    name=st.sampled_from(["side", "angle", "triangle", "curve", "slope", "base of the prism"]),
    label=st.sampled_from(["", "AB", "ABC", "x"]),
    value=st.sampled_from(["", "5 cm", "7 cm", "40°", "2", "triangle"]),
)
diagrams = st.builds(
    Diagram,
    title=st.sampled_from(["", "Figure 2"]),
    parts=st.lists(parts, max_size=5).map(tuple),
    complete=st.lists(st.sampled_from(["side", "triangle", "thing"]), max_size=2).map(tuple),
)
records = st.one_of(scenes, drawings, charts, documents, diagrams)
