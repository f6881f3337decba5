"""Families about documents: fields, tables and texts.

What a record does not list may be written on the document all the same, so nothing is denied. The rows of a table are
read as a whole.
"""

from __future__ import annotations

import re

from visplay.labeling.language import fold
from visplay.labeling.programs.family import Draft, Families, Slot, key
from visplay.labeling.programs.numbers import measured, written
from visplay.labeling.programs.seen import judged, yes
from visplay.labeling.records.schema import Document

VALUE_GAP = 1e-9
"""Smallest difference of two values that is judged: the numbers of a document are printed."""

# Words that add nothing to the name of a field: "name of the company" is "company", "phone of the store" is "phone".
_FORMS = frozenset("name number no nr id".split())
_EMPTY = (
    frozenset[str](),
    _FORMS,
    _FORMS
    | frozenset(
        "for this document form page invoice bill receipt store shop company book sign label text ticket card letter "
        "poster screen".split()
    ),
)


def _words(text: str) -> frozenset[str]:
    return frozenset(fold(word) for word in re.findall(r"[^\W_]+", key(text))) - {"the", "a", "of", "on", "in"}


def _field(draft: Draft[Document]) -> str | None:
    return draft.pick([name for name, text in draft.record.fields.items() if text.strip()])


def _column(draft: Draft[Document]) -> str | None:
    return draft.pick([name for name in draft.record.header[1:] if name.strip()])


def _row(draft: Draft[Document]) -> str | None:
    return draft.pick([row[0] for row in draft.record.rows if row and row[0].strip()])


def _text(draft: Draft[Document]) -> str | None:
    return draft.pick([text for text in draft.record.texts if text.strip()])


_SLOTS: dict[str, Slot[Document]] = {
    "field": Slot(".+?", _field),
    "other": Slot(".+?", _field),
    "column": Slot(".+?", _column),
    "x": Slot(".+?", _row),
    "y": Slot(".+?", _row),
    "text": Slot(".+?", _text),
    "surface": Slot("[a-z]+(?: [a-z]+)?", lambda draft: "document"),
}
_SURFACES = "document|form|table|invoice|receipt|sign|image|page"
_ON = rf"(?: (?:given|listed|shown|written|printed))?(?: (?:in|on) the (?:{_SURFACES}))?"
documents: Families[Document] = Families(_SLOTS, _ON)
"""The families about documents."""


def _value(document: Document, field: str) -> str | None:
    """The text of the one field that a name means: by all its words, else by those that are not empty."""
    for ignored in _EMPTY:
        wanted = _words(field) - ignored
        found = [text for name, text in document.fields.items() if wanted and _words(name) - ignored == wanted]
        if len(found) == 1:
            return found[0].strip() or None
    return None


def _cell(document: Document, column: str, row: str) -> str | None:
    columns = [place for place, name in enumerate(document.header) if key(name) == key(column)]
    rows = [cells for cells in document.rows if cells and key(cells[0]) == key(row)]
    alone = len(columns) == len(rows) == 1 and len(rows[0]) > columns[0] > 0
    return rows[0][columns[0]].strip() or None if alone else None


def _number(document: Document, column: str, row: str) -> float | None:
    cell = _cell(document, column, row)
    return None if cell is None else measured(cell)


def _numbers(document: Document, column: str) -> dict[str, float]:
    """The numbers of a column by the first cell of their rows; none unless all of them are known."""
    names = [row[0] for row in document.rows if row]
    values = {name: value for name in names if (value := _number(document, column, name)) is not None}
    return values if len(values) == len(document.rows) > 1 else {}


def _extreme(document: Document, column: str, sign: int) -> str | None:
    ranked = sorted(((sign * value, name) for name, value in _numbers(document, column).items()), reverse=True)
    return ranked[0][1] if ranked and judged(ranked[0][0] - ranked[1][0], VALUE_GAP) else None


@documents("document-title", "reading", 1, "what is the title of the {surface}?", "what is the {surface} titled?")
def _title(document: Document, surface: str) -> str | None:
    return document.title.strip() or None


@documents(
    "field",
    "reading",
    1,
    "what is the {field}?",
    "who is the {field}?",
    "what {field} is (given|shown)?",
    "when is the {field}?",
)
def _read_field(document: Document, field: str) -> str | None:
    return _value(document, field)


@documents("used", "reading", 1, "what {field} was used?", "what {field} is used?")
def _used(document: Document, field: str) -> str | None:
    return _value(document, field)


@documents("has-field", "existence", 1, "is there a {field}?", "does the document (show|contain|have) a {field}?")
def _has_field(document: Document, field: str) -> str | None:
    return "yes" if _value(document, field) else None


@documents("has-text", "existence", 1, 'does the document (contain|say|show) "{text}"?', 'is "{text}" written?')
def _has_text(document: Document, text: str) -> str | None:
    seen = [document.title, *document.texts, *document.fields, *document.fields.values()]
    return "yes" if any(key(text) and f" {key(text)} " in f" {key(each)} " for each in seen) else None


@documents(
    "only-text",
    "reading",
    1,
    "what does the {surface} say?",
    "what (text|word) is [written ]on the {surface}?",
    "what is written on the {surface}?",
)
def _only_text(document: Document, surface: str) -> str | None:
    texts = [text.strip() for text in document.texts if text.strip()]
    return texts[0] if len(texts) == 1 else None


@documents(
    "year", "reading", 1, "what year is [written |shown ]on the {surface}?", "what year does the {surface} (say|show)?"
)
def _year(document: Document, surface: str) -> str | None:
    seen = " ".join((document.title, *document.texts, *document.fields.values()))
    years = set(re.findall(r"\b(?:1[5-9]|20)[0-9]{2}\b", seen))
    return years.pop() if len(years) == 1 else None


@documents(
    "field-equal",
    "comparison",
    2,
    "is the {field} the same as the {other}?",
    "are the {field} and the {other} the same?",
)
def _field_equal(document: Document, field: str, other: str) -> str | None:
    first, second = _value(document, field), _value(document, other)
    return None if first is None or second is None else yes(key(first) == key(second))


@documents(
    "count-rows",
    "counting",
    1,
    "how many rows does the table have?",
    "how many (rows|items|entries|products) are [there ][listed ]in the table?",
    "how many (items|entries|rows) are (listed|there)?",
)
def _count_rows(document: Document) -> str | None:
    return str(len(document.rows)) if document.rows else None


@documents(
    "count-columns",
    "counting",
    1,
    "how many columns does the table have?",
    "how many columns are (there|in the table)?",
)
def _count_columns(document: Document) -> str | None:
    return str(len(document.header)) if document.header else None


@documents(
    "cell",
    "reading",
    2,
    "what is the {column} of {x}?",
    "what is the {column} (for|in) {x}?",
    "what {column} does {x} have?",
)
def _read_cell(document: Document, column: str, x: str) -> str | None:
    return _cell(document, column, x)


@documents(
    "row-highest",
    "superlative",
    2,
    "which has the (highest|largest) {column}?",
    "which (item|row|one|entry) has the (highest|largest|most) {column}?",
)
def _row_highest(document: Document, column: str) -> str | None:
    return _extreme(document, column, 1)


@documents(
    "row-lowest",
    "superlative",
    2,
    "which has the (lowest|smallest) {column}?",
    "which (item|row|one|entry) has the (lowest|smallest|least) {column}?",
)
def _row_lowest(document: Document, column: str) -> str | None:
    return _extreme(document, column, -1)


@documents(
    "column-total",
    "arithmetic",
    3,
    "what is the sum of the column {column}?",
    "what is the total of the {column} column?",
)
def _column_total(document: Document, column: str) -> str | None:
    values = _numbers(document, column)
    return written(sum(values.values())) if values else None


@documents(
    "cell-difference",
    "arithmetic",
    3,
    "what is the difference in {column} between {x} and {y}?",
    "by how much does {column} differ between {x} and {y}?",
)
def _cell_difference(document: Document, column: str, x: str, y: str) -> str | None:
    first, second = _number(document, column, x), _number(document, column, y)
    return None if first is None or second is None or key(x) == key(y) else written(abs(first - second))


@documents(
    "cell-higher",
    "comparison",
    3,
    "is the {column} of {x} (higher|larger|greater) than that of {y}?",
    "does {x} have a (higher|larger) {column} than {y}?",
)
def _cell_higher(document: Document, column: str, x: str, y: str) -> str | None:
    first, second = _number(document, column, x), _number(document, column, y)
    return None if first is None or second is None else yes(judged(first - second, VALUE_GAP))
