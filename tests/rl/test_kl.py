"""The weight of the KL penalty: a controller that follows the KL, in the metrics and in the state."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rl.test_trainer import LORA, _groups, _settings
from visplay.config import RLSettings
from visplay.models.policy import Policy, new_policy
from visplay.models.vlm import VLM
from visplay.rl.kl import KLWeight
from visplay.rl.trainer import Trainer
from visplay.types import ImageRef

STEPS = st.lists(st.floats(0, 10), max_size=20)


@given(STEPS)
def test_it_is_the_product_of_all_changes(steps: list[float]) -> None:
    weight = KLWeight(0.01, 0.5, 0.02)
    for kl in steps:
        weight.adapt(kl)
    assert weight.value == pytest.approx(0.01 * math.exp(0.02 * sum(kl / 0.5 - 1 for kl in steps)), rel=1e-6)


@given(STEPS)
def test_a_fixed_weight_and_none_stay(steps: list[float]) -> None:
    fixed, none = KLWeight(0.01), KLWeight(0.0, 0.02)
    for kl in steps:
        fixed.adapt(kl)
        none.adapt(kl)
    assert (fixed.value, none.value) == (0.01, 0.0)


@given(st.floats(0, 1e6))
def test_it_stays_within_bounds(kl: float) -> None:
    weight = KLWeight(0.01, 1e-6, 10)
    weight.adapt(kl)
    assert 1e-8 <= weight.value <= 1e2


def test_a_target_needs_a_penalty() -> None:
    with pytest.raises(ValueError, match="kl_target"):
        RLSettings(kl=0, kl_target=0.02)


def test_it_is_in_the_metrics_and_a_resume_is_equal(vlm: VLM, images: tuple[ImageRef, ...], tmp_path: Path) -> None:
    settings = _settings(kl=0.01, kl_target=5e-3, kl_rate=0.5, learning_rate=1e-5)
    groups = _groups(Policy(vlm), images[:2])

    def trainer() -> Trainer:
        return Trainer(new_policy(vlm, "reasoner", "full", LORA), settings)

    whole = trainer()
    lines = [whole.step(groups) for _ in range(4)]
    weights = [line["kl_weight"] for line in lines]
    assert weights[0] == 0.01 and len(set(weights)) == 4
    for before, line, after in zip(weights, lines, weights[1:], strict=False):
        assert after == pytest.approx(before * math.exp(0.5 * (line["kl"] / 5e-3 - 1)), rel=1e-6)

    stopped = trainer()
    for _ in range(2):
        stopped.step(groups)
    stopped.save(tmp_path)
    stopped.policy.save(tmp_path / "policy")
    again = trainer()
    again.policy.load(tmp_path / "policy")
    again.restore(tmp_path)
    assert again.kl.value == stopped.kl.value == weights[2]
    assert again.step(groups)["kl_weight"] == weights[2]
