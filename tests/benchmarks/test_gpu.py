"""The measurement on a GPU at sizes that measure nothing: the whole command, and what it compares and tabulates."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Qwen2_5_VLConfig

from benchmarks import shapes
from benchmarks.gpu import same
from benchmarks.gpu.bench import TINY, Bench
from benchmarks.gpu.ceilings import Ceilings
from benchmarks.gpu.findings import LINES, Findings, read
from benchmarks.gpu.floors import Floors
from benchmarks.gpu.models import make_vlm, sizes_of
from benchmarks.gpu.parts import PARTS
from benchmarks.gpu.tables import disagreements, ratios, tables
from benchmarks.gpu.windows import joined_windows
from tests.tools.plan.shapes import qwen_3b, qwen_7b

ROOT = Path(__file__).parents[2]
ENDED = [{"part": "update3b", "ok": True, "why": ""}, {"part": "flex", "ok": False, "why": "stopped after 60 s"}]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Findings(tmp_path, "test"), TINY, tmp_path, tmp_path)


def test_trees_are_separate_sequences_and_broken_ones_are_not(bench: Bench) -> None:
    same.run(bench)
    lines = read(bench.out / LINES)
    assert_agreement(lines)
    assert [line for line in lines if "failed" in line] == []


def assert_agreement(lines: list[dict[str, Any]]) -> None:
    found = [line for line in lines if line["what"] == "agreement"]
    assert [line for line in found if not line["ok"]] == []
    for dtype in ("float32", "bfloat16"):
        mean = {line["of"]: line["mean"] for line in found if line.get("dtype") == dtype}
        assert mean["broken tree and float32"] > 10 * mean["tree and float32"]
        assert mean["tree and float32"] < (1e-5 if dtype == "float32" else 0.1)


@pytest.mark.parametrize("image_tokens", [64, 36], ids=["windows of one size", "smaller windows at the edges"])
def test_windows_in_one_call_have_the_features_of_transformers(bench: Bench, image_tokens: int) -> None:
    vlm = make_vlm(bench, "3b", torch.float32, image_tokens)
    pixels = vlm.encode(shapes.noise("windows", image_tokens, 0), "?").pixels
    found = []
    for joined in (False, True):
        pixels.features = None
        with joined_windows(vlm.model, joined):
            (features,) = vlm.features([pixels])
        found.append(features.pooled)
    torch.testing.assert_close(found[1], found[0])


@pytest.mark.parametrize("size, released", [("3b", qwen_3b), ("7b", qwen_7b)])
def test_models_have_the_shapes_of_released_ones(size: str, released: Callable[[], Qwen2_5_VLConfig]) -> None:
    text, vision = sizes_of(size)
    config = released().to_dict()
    own = {name for name in text if name not in ("initializer_range", "rope_parameters")}
    assert {name: text[name] for name in own} == {name: config["text_config"][name] for name in own}
    assert text["rope_parameters"]["mrope_section"] == config["text_config"]["rope_parameters"]["mrope_section"]
    assert vision == {name: config["vision_config"][name] for name in vision}


def test_floors_count_each_context_once(bench: Bench) -> None:
    rates = Ceilings(flops=1.0, flops_float32=1.0, bytes_s=math.inf, launch_s=0.0)
    floors = Floors.of(make_vlm(bench, "3b", torch.bfloat16, 16), 16, rates)
    # Two completions share the prompt: less than two separate sequences, more than one.
    one, two = floors.update_s(40, 1, 8, kl=False), floors.update_s(40, 2, 8, kl=False)
    assert one < two < 2 * one
    assert two < floors.update_s(40, 2, 8, kl=True) < 1.5 * two
    # Without a limit by bytes, decoding is the decoder and the head for each token of each answer.
    longer = floors.rollout_s(1, 20, 6, 5) - floors.rollout_s(1, 20, 6, 4)
    assert longer == pytest.approx(6 * (floors.token + floors.head))


def test_ratios_are_to_the_floor_and_to_the_fastest_peer_of_the_case() -> None:
    ours, slow, fast, other = (
        _time("visplay", 2.0, 0.5),
        _time("plain path", 8.0, 0.5),
        _time("TRL", 6.0, 0.5),
        _time("visplay", 1.0, None, case="no KL"),
    )
    found = [(ratio.over_floor, ratio.peer_over) for ratio in ratios([ours, other, slow, fast])]
    assert found == [(4.0, 3.0), (16.0, None), (12.0, None), (None, None)]


def test_tables_say_what_disagrees_and_what_was_left_out() -> None:
    wrong = {
        "part": "same",
        "what": "agreement",
        "of": "tree and float32",
        "dtype": "float32",
        "mean": 0.2,
        "ok": False,
    }
    skipped = {"part": "flex", "what": "FlexAttention", "skipped": "there is no GPU"}
    planned = {"part": "memory3b", "what": "memory", "of": "weights", "planned": 5e9, "measured": 4e9, "error": 0.25}
    lines = [_time("visplay", 2.0, 0.5), wrong, planned, skipped]
    text = tables(lines, ENDED)
    assert "| update, KL | visplay | as it is | 2 | 0.5 | 4 | – | 50 | – |" in text
    assert "| tree and float32 | float32 | 0.2 | – | – | **no** |" in text
    assert "| memory3b | weights | 5 | 4 | +25.0% |" in text
    assert "* part `flex`: stopped after 60 s\n* `flex`, FlexAttention: there is no GPU" in text
    assert disagreements(lines) == ["tree and float32 (float32)"]


def _time(who: str, s: float, floor_s: float | None, case: str = "KL") -> dict[str, Any]:
    values = {"task": "update", "case": case, "who": who, "how": "as it is", "s": s, "floor_s": floor_s}
    return {"part": "update3b", "what": "time", "tokens_s": 100 / s, **values}


def test_an_error_is_a_finding(bench: Bench) -> None:
    with bench.attempt("a kernel"):
        raise RuntimeError("no such\nkernel")
    (line,) = read(bench.out / LINES)
    assert line["what"] == "a kernel" and line["failed"] == "RuntimeError: no such kernel"


@pytest.mark.long
def test_the_whole_command(tmp_path: Path) -> None:
    out = tmp_path / "gpu"
    command = [sys.executable, "-m", "benchmarks.gpu", "--size", "tiny", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    log = (out / "log.txt").read_text(encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr + log
    parts, lines = read(out / "parts.jsonl"), read(out / LINES)
    assert {part["part"] for part in parts if part["ok"]} == {part.name for part in PARTS}
    assert [line for line in lines if "failed" in line] == []
    assert_agreement(lines)
    assert {line["part"] for line in lines if "skipped" in line} >= ({"flex", "lab_cuda"} - on_gpu())
    found = ratios(lines)
    given = [value for ratio in found for value in (ratio.over_floor, ratio.peer_over) if value is not None]
    assert given and all(math.isfinite(value) and value > 0 for value in given)
    compared = {ratio.line["task"] for ratio in found if ratio.peer_over is not None}
    assert compared >= {"update", "rollout"}
    assert (out / "tables.md").read_text(encoding="utf-8") in done.stdout
    json.loads((out / "ceilings.json").read_text(encoding="utf-8"))


def on_gpu() -> set[str]:
    return {"flex", "lab_cuda"} if torch.cuda.is_available() else set()


@pytest.mark.long
def test_a_part_that_takes_too_long_is_stopped_and_the_next_one_runs(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\n"
        "from benchmarks.gpu.parts import BY_NAME\n"
        "from benchmarks.gpu.runner import run_parts\n"
        f"parts = [BY_NAME['update3b']._replace(limit_s=0), BY_NAME['machine']]\n"
        f"run_parts(parts, 300, 'tiny', Path({str(tmp_path)!r}))\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)
    first, second = read(tmp_path / "parts.jsonl")
    assert not first["ok"] and first["why"].startswith("stopped after")
    assert second["part"] == "machine" and second["ok"]
