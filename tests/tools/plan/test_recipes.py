"""The recipes load, fit, and cost what their page says, by the plan its commands make."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import Qwen2_5_VLConfig

from tests.tools.plan.shapes import qwen_3b, qwen_7b
from visplay.config import load_settings
from visplay.tools.plan.plan import Plan
from visplay.tools.plan.table import conclusion
from visplay.tools.plan.workload import Assumed, total

pytestmark = pytest.mark.long

FOLDER = Path(__file__).parents[3] / "docs" / "recipes"
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
GB = 10**9


def planned(name: str, config: Qwen2_5_VLConfig, tokens: int, memory: int, processes: int, *changes: str) -> Plan:
    settings = load_settings(str(FOLDER / name), changes)
    assumed = Assumed(tokens, tokens)
    return Plan(name, config, settings, memory * GB, assumed=assumed, processes=processes)


@pytest.mark.parametrize(
    "name, shape, tokens, memory, processes, changes",
    [
        ("3b-24gb.yaml", qwen_3b, 512, 24, 1, []),
        ("7b-80gb.yaml", qwen_7b, 1024, 80, 1, []),
        ("paper-8gpus.yaml", qwen_7b, 1024, 80, 8, ["silver.images=47000"]),
    ],
)
def test_a_recipe_is_what_its_page_says(
    name: str, shape: Callable[[], Qwen2_5_VLConfig], tokens: int, memory: int, processes: int, changes: list[str]
) -> None:
    plan = planned(name, shape(), tokens, memory, processes, *changes)
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| [{name}]")]
    told = re.search(r"\| ([\d× ]+GB) with ([\d.]+ GB) free \| ([\d,]+) answers, ([\d.]+) GPU-hours \|$", row)
    assert told is not None, row
    fits = conclusion(plan).replace(".0 GB", " GB", 1)
    assert fits == f"fits in {told[1]} with {told[2]} free"
    assert f"{sum(asking.all_answers for asking, _ in plan.costs):,}" == told[3]
    assert f"{total(cost for _, cost in plan.costs).hours:.1f}" == told[4]
