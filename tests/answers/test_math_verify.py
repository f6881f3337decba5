"""Parity with math-verify on pairs of answers. `cases/mathematics.jsonl` lists every disagreement with its reason.

A case has the right value as `equal`; `math_verify` is what it says instead, and `why` the judgement.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from math_verify import parse, verify

from visplay.answers import match

CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).with_name("cases") / "mathematics.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['given']} | {case['reference']}")
def test_ours(case: dict[str, Any]) -> None:
    assert match(case["given"], case["reference"]) is match(case["reference"], case["given"]) is case["equal"]


def test_theirs_differs_where_the_cases_say_so_and_why() -> None:
    assert len(CASES) > 300
    logging.disable(logging.WARNING)
    try:
        found = {place for place, case in enumerate(CASES) if says(case) is not case["equal"]}
    finally:
        logging.disable(logging.NOTSET)
    listed = {place for place, case in enumerate(CASES) if case.get("why")}
    assert [CASES[place] for place in sorted(found ^ listed)] == []
    assert all(CASES[place]["math_verify"] is not CASES[place]["equal"] for place in listed)


def says(case: dict[str, Any]) -> bool:
    given, reference = (parse(f"${case[side]}$") for side in ("given", "reference"))
    return bool(verify(reference, given))
