"""Families about charts.

A chart is read as a whole, so its largest value is the largest of those in the record, and its bars are counted. A
label that the record lacks says nothing, because it may be spelt otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from visplay.labeling.language import COLORS
from visplay.labeling.programs.family import Draft, Families, Slot, choice, key
from visplay.labeling.programs.numbers import PATTERN, in_unit, written
from visplay.labeling.programs.seen import all_or_none, judged, yes
from visplay.labeling.records.schema import Chart, Series

VALUE_GAP = 0.02
"""Smallest difference of two values that is judged, as a share of the larger one: values are read from an axis."""

_MARKS = {
    "bar": ("bars", "bar", "columns", "column"),
    "pie": ("slices", "slice", "segment"),
    "line": ("points", "point"),
}


def _labels(chart: Chart) -> list[str]:
    return list(dict.fromkeys(label for series in chart.series for label in series.values))


def _mark(draft: Draft[Chart]) -> str:
    return next((marks[1] for form, marks in _MARKS.items() if form in draft.record.form.lower()), "category")


def _label(draft: Draft[Chart]) -> str | None:
    return draft.pick(_labels(draft.record))


def _series(draft: Draft[Chart]) -> str | None:
    return draft.pick([series.name for series in draft.record.series if series.name])


def _color(draft: Draft[Chart]) -> str | None:
    return draft.pick([key(series.color) for series in draft.record.series if key(series.color) in COLORS])


def _threshold(draft: Draft[Chart]) -> str | None:
    """A round number between two values."""
    values = sorted(value for series in draft.record.series for value in series.values.values())
    if len(values) < 2:
        return None
    place = int(draft.rng.integers(len(values) - 1))
    middle = (values[place] + values[place + 1]) / 2
    text = f"{middle:.2g}" if abs(middle) < 10 else f"{middle:.0f}"
    return text if values[place] < float(text) < values[place + 1] else None


_LABEL: Slot[Chart] = Slot(".+?", _label)
_KINDS_OF_LABELS = "bar|column|slice|segment|point|category|label|item|group|year|month|country|value|one|[a-z]+"
_SLOTS: dict[str, Slot[Chart]] = {
    "x": _LABEL,
    "y": _LABEL,
    "mark": Slot(_KINDS_OF_LABELS, _mark),
    "series": Slot(".+?", _series),
    "other": Slot(".+?", _series),
    "color": Slot("[a-z]+", _color),
    "n": Slot(PATTERN, _threshold),
    "rank": choice({"2": ("second",), "3": ("third",)}),
}
_IN_CHART = (
    "(?: shown)?(?: (?:in|on|of|from) the (?:(?:bar|pie|line) )?(?:chart|graph|plot|diagram|survey|data|study|image))?"
)
charts: Families[Chart] = Families(_SLOTS, _IN_CHART)
"""The families about charts."""


def _apart(one: float, other: float) -> bool | None:
    """Whether a value is larger than another; None if they are too close."""
    return judged(one - other, VALUE_GAP * max(abs(one), abs(other)) or 1e-12)


def _named(chart: Chart, name: str) -> Series | None:
    """The series of a name or colour; the only series also by a word of the chart's title."""
    found = [series for series in chart.series if key(name) in (key(series.name), key(series.color))]
    if not found and len(chart.series) == 1 and key(name) in key(chart.title).split():
        found = list(chart.series)
    return found[0] if len(found) == 1 else None


def _only(chart: Chart) -> Mapping[str, float]:
    """The values of the only series; none if there are several."""
    return chart.series[0].values if len(chart.series) == 1 else {}


def _at(values: Mapping[str, float], label: str) -> float | None:
    found = [value for name, value in values.items() if key(name) == key(label)]
    return found[0] if len(found) == 1 else None


def _two(chart: Chart, x: str, y: str) -> tuple[float, float] | None:
    first, second = _at(_only(chart), x), _at(_only(chart), y)
    return None if first is None or second is None or key(x) == key(y) else (first, second)


def _ranked(values: Mapping[str, float], sign: int = 1) -> list[str]:
    """The labels by value, largest first, or smallest first; empty if two neighbours are too close."""
    labels = sorted(values, key=lambda label: -sign * values[label])
    pairs = pairwise(labels)
    return [] if any(_apart(values[one], values[other]) is None for one, other in pairs) else labels


def _extreme(values: Mapping[str, float], sign: int) -> str | None:
    """The label of the largest or smallest value, unless another is too close."""
    best = max(values, key=lambda label: sign * values[label], default=None)
    if best is None or len(values) < 2:
        return None
    others = (value for label, value in values.items() if label != best)
    return None if any(_apart(values[best], other) is None for other in others) else best


@charts(
    "chart-title",
    "reading",
    1,
    "what is the title of the (chart|graph|plot)?",
    "what is the (chart|graph) (titled|about)?",
)
def _title(chart: Chart) -> str | None:
    return chart.title.strip() or None


@charts(
    "chart-form",
    "reading",
    1,
    "what (type|kind) of (chart|graph|plot) is (this|it|shown)?",
    "what is the (type|kind|form) of the (chart|graph|plot)?",
)
def _form(chart: Chart) -> str | None:
    return chart.form.strip() or None


@charts("chart-unit", "reading", 1, "what is the unit of the values?", "in what unit are the values?")
def _unit(chart: Chart) -> str | None:
    return chart.unit.strip() or None


@charts(
    "value",
    "reading",
    1,
    "what is the value of {x}?",
    "what is the value (for|in|at) {x}?",
    "what value does {x} have?",
    "how much is {x}?",
    "what is the value of the {x} (bar|slice|point)?",
    "what percentage is {x}?",
)
def _value(chart: Chart, x: str) -> str | None:
    value = _at(_only(chart), x)
    return None if value is None else written(value, chart.unit)


@charts(
    "value-of-series",
    "reading",
    2,
    "what is the value of {series} (in|for|at) {x}?",
    "what was {series} in {x}?",
    "what is the value of the {series} (bar|line|point|series) (in|for|at) {x}?",
)
def _value_of_series(chart: Chart, series: str, x: str) -> str | None:
    found = _named(chart, series)
    value = None if found is None else _at(found.values, x)
    return None if value is None else written(value, chart.unit)


@charts(
    "color-of-series",
    "attribute",
    1,
    "what color is {series}?",
    "what color is the (line|bar|area|series) (for|of) {series}?",
    "what color (represents|shows) {series}?",
)
def _color_of_series(chart: Chart, series: str) -> str | None:
    found = _named(chart, series)
    return None if found is None or key(series) in COLORS else key(found.color) or None


@charts(
    "series-of-color",
    "attribute",
    1,
    "what does the {color} (line|bar|area|series|color) (show|represent|stand for)?",
    "what is (shown|represented) by the {color} (line|bars)?",
)
def _series_of_color(chart: Chart, color: str) -> str | None:
    found = [series.name for series in chart.series if key(series.color) == color]
    return found[0] or None if len(found) == 1 else None


@charts(
    "count-marks",
    "counting",
    1,
    "how many (bars|slices|segments|columns|points|categories|labels) are (there|shown|visible|in the chart)?",
    "how many (bars|slices|points) does the (chart|graph) have?",
)
def _count_marks(chart: Chart) -> str | None:
    return str(sum(len(series.values) for series in chart.series)) if chart.series else None


@charts(
    "count-series",
    "counting",
    1,
    "how many (series|lines|groups|colors) are (there|shown|visible|in the chart)?",
    "how many (series|lines) does the (chart|graph) have?",
)
def _count_series(chart: Chart) -> str | None:
    return str(len(chart.series)) if chart.series else None


@charts(
    "highest",
    "superlative",
    1,
    "which {mark} is[ the] (highest|largest|biggest|longest|tallest)?",
    "which {mark} has the (highest|largest|greatest|most)[ value]?",
)
def _highest(chart: Chart, mark: str) -> str | None:
    return _extreme(_only(chart), 1)


@charts(
    "lowest",
    "superlative",
    1,
    "which {mark} is[ the] (lowest|smallest|shortest)?",
    "which {mark} has the (lowest|smallest|least)[ value]?",
)
def _lowest(chart: Chart, mark: str) -> str | None:
    return _extreme(_only(chart), -1)


@charts(
    "ranked",
    "superlative",
    2,
    "which {mark} is the {rank} (highest|largest|biggest)?",
    "which {mark} has the {rank} (highest|largest) value?",
)
def _rank(chart: Chart, mark: str, rank: str) -> str | None:
    labels = _ranked(_only(chart))
    return labels[int(rank) - 1] if len(labels) >= int(rank) else None


@charts(
    "highest-of-series",
    "superlative",
    2,
    "which {mark} is the (highest|largest) for {series}?",
    "(in|for) which {mark} is {series} (highest|largest)?",
    "when was {series}[ the] (highest|largest)?",
)
def _highest_of_series(chart: Chart, series: str, mark: str = "") -> str | None:
    found = _named(chart, series)
    return None if found is None else _extreme(found.values, 1)


@charts(
    "series-highest",
    "superlative",
    2,
    "which (series|line|group) has the highest value in {x}?",
    "which is the highest in {x}?",
)
def _series_highest(chart: Chart, x: str) -> str | None:
    values = {series.name: value for series in chart.series if (value := _at(series.values, x)) is not None}
    complete = len(values) == len(chart.series) and all(values)
    return _extreme(values, 1) if complete else None


@charts(
    "highest-value",
    "superlative",
    1,
    "what is the (highest|largest|maximum) value?",
    "how (high|large) is the (highest|largest) value?",
)
def _highest_value(chart: Chart) -> str | None:
    values = [value for series in chart.series for value in series.values.values()]
    return written(max(values), chart.unit) if len(values) > 1 else None


@charts(
    "lowest-value",
    "superlative",
    1,
    "what is the (lowest|smallest|minimum) value?",
    "how (low|small) is the (lowest|smallest) value?",
)
def _lowest_value(chart: Chart) -> str | None:
    values = [value for series in chart.series for value in series.values.values()]
    return written(min(values), chart.unit) if len(values) > 1 else None


@charts(
    "chart-difference",
    "arithmetic",
    2,
    "what is the difference between {x} and {y}?",
    "what is the difference (between|of) the values of {x} and {y}?",
    "by how much does {x} differ from {y}?",
)
def _difference(chart: Chart, x: str, y: str) -> str | None:
    both = _two(chart, x, y)
    return None if both is None else written(abs(both[0] - both[1]), chart.unit)


@charts(
    "chart-sum",
    "arithmetic",
    2,
    "what is the sum of {x} and {y}?",
    "what is the total of {x} and {y}?",
    "how much are {x} and {y} together?",
)
def _sum(chart: Chart, x: str, y: str) -> str | None:
    both = _two(chart, x, y)
    return None if both is None else written(sum(both), chart.unit)


@charts(
    "ratio", "arithmetic", 2, "what is the ratio of {x} to {y}?", "how many times as (large|high|much) as {y} is {x}?"
)
def _ratio(chart: Chart, x: str, y: str) -> str | None:
    both = _two(chart, x, y)
    return None if both is None or both[1] == 0 else written(both[0] / both[1])


@charts(
    "chart-total",
    "arithmetic",
    3,
    "what is the sum of all values?",
    "what is the total of all (values|bars|categories)?",
)
def _total(chart: Chart) -> str | None:
    values = _only(chart).values()
    return written(sum(values), chart.unit) if len(values) > 1 else None


@charts("average", "arithmetic", 3, "what is the (average|mean) of all values?", "what is the average[ value]?")
def _average(chart: Chart) -> str | None:
    values = _only(chart).values()
    return written(sum(values) / len(values), chart.unit) if len(values) > 1 else None


@charts(
    "average-of-two-highest",
    "arithmetic",
    3,
    "what is the average of the two (highest|largest) values?",
    "what is the mean of the two (highest|largest) values?",
)
def _average_of_two_highest(chart: Chart) -> str | None:
    values = sorted(_only(chart).values())[-2:]
    return written(sum(values) / 2, chart.unit) if len(values) == 2 else None


@charts(
    "range",
    "arithmetic",
    3,
    "what is the difference between the highest and the lowest value?",
    "what is the range of the values?",
)
def _range(chart: Chart) -> str | None:
    values = _only(chart).values()
    return written(max(values) - min(values), chart.unit) if len(values) > 1 else None


@charts(
    "higher",
    "comparison",
    2,
    "is {x} (higher|larger|greater|more|bigger) than {y}?",
    "is the value of {x} (higher|larger|greater) than that of {y}?",
)
def _higher(chart: Chart, x: str, y: str) -> str | None:
    both = _two(chart, x, y)
    return None if both is None else yes(_apart(*both))


@charts(
    "lower",
    "comparison",
    2,
    "is {x} (lower|smaller|less) than {y}?",
    "is the value of {x} (lower|smaller|less) than that of {y}?",
)
def _lower(chart: Chart, x: str, y: str) -> str | None:
    both = _two(chart, y, x)
    return None if both is None else yes(_apart(*both))


@charts("above-number", "comparison", 1, "is {x} (above|over|greater than|more than) {n}?", "does {x} exceed {n}?")
def _above_number(chart: Chart, x: str, n: str) -> str | None:
    value, least = _at(_only(chart), x), in_unit(n, chart.unit)
    return None if value is None or least is None else yes(_apart(value, least))


@charts(
    "count-above",
    "counting",
    3,
    "how many (values|bars|slices|points|categories) are (above|over|greater than|higher than|more than) {n}?",
    "how many (values|bars|points) exceed {n}?",
)
def _count_above(chart: Chart, n: str) -> str | None:
    least, values = in_unit(n, chart.unit), _only(chart).values()
    above = None if least is None else all_or_none(_apart(value, least) for value in values)
    return str(sum(above)) if above else None


@charts(
    "increase",
    "comparison",
    2,
    "did {series} (increase|grow|rise) (from|between) {x} (to|and) {y}?",
    "is {series} higher in {y} than in {x}?",
)
def _increase(chart: Chart, series: str, x: str, y: str) -> str | None:
    found = _named(chart, series)
    first, second = (None, None) if found is None else (_at(found.values, x), _at(found.values, y))
    return None if first is None or second is None else yes(_apart(second, first))


@charts(
    "first-above",
    "superlative",
    3,
    "in which {mark} did {series} exceed {n} for the first time?",
    "in which {mark} did {series} first exceed {n}?",
    "when did {series} first exceed {n}?",
)
def _first_above(chart: Chart, series: str, n: str, mark: str = "") -> str | None:
    found, least = _named(chart, series), in_unit(n, chart.unit)
    if found is None or least is None:
        return None
    for label, value in found.values.items():
        above = _apart(value, least)
        if above is not False:
            return label if above else None
    return None


@charts(
    "series-compared",
    "comparison",
    3,
    "is {series} (higher|larger|greater|more) than {other} in {x}?",
    "in {x}, is {series} (higher|larger) than {other}?",
)
def _series_compared(chart: Chart, series: str, other: str, x: str) -> str | None:
    both = _named(chart, series), _named(chart, other)
    values = [None if found is None else _at(found.values, x) for found in both]
    first, second = values
    return None if first is None or second is None or both[0] is both[1] else yes(_apart(first, second))
