"""Dates and times of day in one writing: `March 5th, 2020` is `2020-03-05`, `3 pm` is `15:00`, `noon` is `12:00`."""

from __future__ import annotations

import re
from datetime import date

_MONTHS = "january february march april may june july august september october november december".split()
_MONTH_OF = {name: number for number, name in enumerate(_MONTHS, start=1)}
_MONTH_OF |= {name[:3]: number for name, number in _MONTH_OF.items()} | {"sept": 9}
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
# "sun" is left out: it is a thing to be seen.
_DAY_OF = {short: day for day in _DAYS for short in (day, day[:3]) if short != "sun"}
_DAY_OF |= {"tues": "tuesday", "thur": "thursday", "thurs": "thursday"}
_WEEKDAY = rf"(?:(?:{'|'.join(sorted(_DAY_OF, key=len, reverse=True))})\.?,? )?"
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTH_OF, key=len, reverse=True))})\.?"
_DAY = r"(?:the )?(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>[0-9]{4})"
_WRITTEN = tuple(
    re.compile(_WEEKDAY + pattern)
    for pattern in (
        rf"{_MONTH} {_DAY}(?:,? {_YEAR})?",
        rf"{_DAY}[ -](?:of )?{_MONTH}(?:[ ,-]{{1,2}}{_YEAR})?",
        rf"{_MONTH}(?:,| of)? {_YEAR}",
        rf"{_YEAR} {_MONTH} {_DAY}",
        r"(?P<year>[0-9]{4})([-/.])(?P<month>[0-9]{1,2})\2(?P<day>[0-9]{1,2})",
    )
)
_CLOCK = re.compile(
    r"(?:at )?([0-9]{1,2})(?::([0-9]{2})(?::([0-9]{2}))?)? ?(am|pm|a\.m\.?|p\.m\.?|o'clock|noon|midnight)?"
)
_NAMED = {"noon": "12:00", "midday": "12:00", "12 noon": "12:00", "midnight": "0:00", "12 midnight": "0:00"}


def parse_date(text: str) -> str | None:
    """A date in a text in lower case as `year-month-day` with what is known of it; None if `text` is not a date.

    Dates such as `3/5/2020` are left alone: their order differs between countries.
    """
    text = re.sub("^(?:in|on) ", "", text)
    if text.strip(".") in _MONTH_OF:
        return f"month {_MONTH_OF[text.strip('.')]}"
    if text.strip(".") in _DAY_OF:
        return _DAY_OF[text.strip(".")]
    if not any(map(str.isdigit, text)):
        return None
    for pattern in _WRITTEN:
        found = pattern.fullmatch(text)
        if found:
            parts = found.groupdict()
            month = int(_MONTH_OF.get(parts["month"], 0) or parts["month"])
            year, day = parts.get("year"), parts.get("day")
            try:
                date(int(year or 2000), month, int(day or 1))
            except ValueError:
                return None
            return f"{year or ''}-{month:02d}" + (f"-{int(day):02d}" if day else "")
    return None


def parse_clock(text: str) -> str | None:
    """A time of day as `hours:minutes` on a 24-hour clock (`3 pm` is `15:00`); None if `text` is not a time."""
    if text in _NAMED:
        return _NAMED[text]
    read = _CLOCK.fullmatch(text)
    if read is None or not (read[2] or read[4]):
        return None
    hour, minute, second, half = int(read[1]), int(read[2] or 0), int(read[3] or 0), (read[4] or "")[:1]
    if half in ("a", "p"):
        hour = hour % 12 + (12 if half == "p" else 0) if 1 <= hour <= 12 else 24
    elif read[4] in ("noon", "midnight"):
        hour = {"noon": 12, "midnight": 0}[read[4]] if (hour, minute) == (12, 0) else 24
    if hour > 23 or minute > 59 or second > 59:
        return None
    return f"{hour}:{minute:02d}" + (f":{second:02d}" if second else "")
