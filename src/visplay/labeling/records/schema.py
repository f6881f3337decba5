"""The values of a record: a scene, a chart, a document or a diagram.

A record holds what was seen and what was denied. What it does not mention is not known: silence is never "no", nor
a number. Only where a record says that it lists all things of a kind (`Scene.complete`) does a missing thing mean that
there is none.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

STEPS = 10
"""Rows, columns and sizes are counted in tenths of the image: 0 (top, left, small) to 9 (bottom, right, large)."""

Step = Annotated[int, Field(ge=0, lt=STEPS)]
Text = Annotated[str, Field(max_length=400)]
Phrase = Annotated[str, Field(min_length=1, max_length=80)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True, allow_inf_nan=False)


class Thing(_Value):
    """A thing on an image, or several that are alike.

    Example: `Thing(name="car", attributes={"color": "red"}, row=7, column=2, size=4)`. `count` is "several" where the
    record names a plural without a number; then no number follows from it.
    """

    name: Phrase
    attributes: dict[Phrase, Phrase] = Field(default_factory=dict, max_length=12)
    count: Annotated[int, Field(ge=1, le=1000)] | Literal["several"] = 1
    row: Step | None = None
    column: Step | None = None
    size: Step | None = None
    text: Text = ""


class Scene(_Value):
    """Things on an image; `absent` names what is said not to be there, `complete` kinds of which all are listed.

    `complete=("thing",)` says that every thing is listed.
    """

    kind: Literal["scene"] = "scene"
    things: tuple[Thing, ...] = Field((), max_length=100)
    absent: tuple[Phrase, ...] = Field((), max_length=100)
    complete: tuple[Phrase, ...] = Field((), max_length=20)


class Series(_Value):
    """A series of a chart: its values by label, such as {"2019": 41.0}."""

    name: Text = ""
    color: Text = ""
    values: dict[Phrase, float] = Field(max_length=200)


class Chart(_Value):
    """A chart; `unit` is that of all values. Bars, slices and points are the labels of its series."""

    kind: Literal["chart"] = "chart"
    form: Text = ""  # "bar chart", "pie chart", "line chart"
    title: Text = ""
    unit: Text = ""
    series: tuple[Series, ...] = Field((), max_length=20)


class Document(_Value):
    """A document, form, sign or screen: its fields, the header and rows of its table, and other texts on it."""

    kind: Literal["document"] = "document"
    title: Text = ""
    fields: dict[Phrase, Text] = Field(default_factory=dict, max_length=200)
    header: tuple[Text, ...] = Field((), max_length=40)
    rows: tuple[tuple[Text, ...], ...] = Field((), max_length=200)
    texts: tuple[Text, ...] = Field((), max_length=200)


class Part(_Value):
    """A part of a diagram: what it is, its label, and its value with unit, such as "side", "AB" and "5 cm"."""

    name: Phrase
    label: Text = ""
    value: Text = ""


class Diagram(_Value):
    """A drawing of geometry, a graph of functions, or a scientific figure."""

    kind: Literal["diagram"] = "diagram"
    title: Text = ""
    parts: tuple[Part, ...] = Field((), max_length=100)
    complete: tuple[Phrase, ...] = Field((), max_length=20)


Record = Scene | Chart | Document | Diagram
RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])
"""Reads and checks a record, and gives its JSON schema."""
