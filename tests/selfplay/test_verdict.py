"""The record of a verdict: written once, read back the same."""

from __future__ import annotations

import json
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from visplay.runs.metrics import json_value
from visplay.selfplay.verdict import Change, Verdict, is_verdict, last_accepted

SHARE = st.floats(-1, 1)
CHANGE = st.none() | st.builds(Change.of, SHARE, st.tuples(SHARE, SHARE | st.just(float("inf"))))
VERDICT = st.builds(
    Verdict,
    iteration=st.integers(1, 9),
    accepted=st.booleans(),
    against=st.integers(0, 9),
    selected_iteration=st.none() | st.integers(0, 9),
    kept=CHANGE,
    agreement=CHANGE,
    asking=CHANGE,
    validation=CHANGE,
    validation_p_mcnemar=st.none() | st.floats(0, 1),
    validation_items=st.none() | st.integers(1, 99),
    validation_accuracy=st.none() | st.floats(0, 1),
    true=CHANGE,
    true_accuracy=st.none() | st.floats(0, 1),
    oracle_accepts=st.none() | st.booleans(),
)


@given(VERDICT)
def test_a_line_of_metrics_gives_the_verdict_back(verdict: Verdict) -> None:
    values = json_value(verdict.as_metrics())
    line = {"phase": "accept", "iteration": verdict.iteration, "step": 0, **values, "time": {"seconds": 1.0}}
    line = json.loads(json.dumps(line, allow_nan=False))
    assert is_verdict(line) and Verdict.from_metrics(line) == verdict
    in_summary = {"iteration": verdict.iteration, **verdict.as_metrics()}
    assert Verdict.from_metrics(in_summary) == verdict


def test_the_base_has_no_verdict() -> None:
    assert not is_verdict({"phase": "accept", "iteration": 0, "step": 0, "frozen_questions": 7})


def test_an_interval_without_an_end_is_not_below_anything() -> None:
    assert Change.of(-0.5, (-0.7, -0.1)).is_below(0.0) and not Change.of(-0.5, (-0.7, -0.1)).is_below(-0.2)
    assert not Change.of(-0.5, (-0.7, float("inf"))).is_below(0.0)


def test_the_last_accepted_iteration() -> None:
    verdicts = [Verdict(1, True), Verdict(2, True, 1), Verdict(3, False, 2)]
    assert (last_accepted(verdicts), last_accepted([])) == (2, 0)


def test_it_is_read_without_torch() -> None:
    program = "import sys, visplay.selfplay.verdict, visplay.selfplay.schedule; print('torch' in sys.modules)"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
