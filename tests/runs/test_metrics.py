"""The lines of metrics.jsonl."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from visplay.errors import RunError
from visplay.runs.metrics import MetricsLog, json_value, read_metrics


def test_a_line_has_a_fixed_frame_and_sorted_values(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append("questioner", 1, 2, {"reward": 0.25, "kl": 0.0, "types": {"b": 1, "a": 2}}, {"seconds": 1.5})
    text = (tmp_path / "metrics.jsonl").read_text()
    assert text == (
        '{"phase": "questioner", "iteration": 1, "step": 2, "kl": 0.0, "reward": 0.25, '
        '"types": {"a": 2, "b": 1}, "time": {"seconds": 1.5}}\n'
    )
    log.close()


def test_numbers_of_any_library_become_json(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    values = {
        "a": np.float32(0.5),
        "b": torch.tensor(3),
        "c": np.array([1.0, np.nan]),
        "d": float("-inf"),
        "e": torch.tensor([[True]]),
        "f": (1, None, "größer"),
        "g": np.int64(4),
    }
    log.append("reasoner", 1, 1, values)
    (line,) = read_metrics(tmp_path / "metrics.jsonl")
    assert [line[key] for key in "abcdefg"] == [0.5, 3, [1.0, None], None, [[True]], [1, None, "größer"], 4]
    assert isinstance(line["b"], int) and isinstance(line["g"], int)
    log.close()


def test_names_of_the_frame_are_taken(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    with pytest.raises(ValueError, match="step, time"):
        log.append("reasoner", 1, 1, {"step": 3, "time": 1.0})
    assert (tmp_path / "metrics.jsonl").read_bytes() == b""
    log.close()


def test_an_unfinished_line_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2, "rew')
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 1}]


@pytest.mark.parametrize("separator", ["\r", "\x85", "\u2028", "\x1c"])
def test_texts_with_odd_line_ends_stay_in_one_line(tmp_path: Path, separator: str) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append("silver", 1, 1, {"example": f"a{separator}b"})
    assert read_metrics(tmp_path / "metrics.jsonl")[0]["example"] == f"a{separator}b"
    log.close()


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(trees)
def test_plain_values_are_strict_json_in_stable_order(tree: object) -> None:
    text = json.dumps(json_value(tree), allow_nan=False)
    assert json.dumps(json_value(json.loads(text)), allow_nan=False) == text


def test_a_changed_byte_is_one_line(tmp_path: Path) -> None:
    for damaged in (b'{"step": 1}\n\xff{"step": 2}\n', b'{"step": 1}\n[2]\n', b'{"step": 1}\n' + b"[" * 9999 + b"\n"):
        (tmp_path / "metrics.jsonl").write_bytes(damaged)
        with pytest.raises(RunError, match="line 2, is not a JSON object; put it back"):
            read_metrics(tmp_path / "metrics.jsonl")
