"""Settings of earlier versions: where each is now, for the error that refuses the old name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MOVED: dict[str, str] = {
    "grpo": "the section is called rl",
    "grpo.clip_low": "use rl.loss: {type: ppo_clip, clip_low: 0.2}",
    "grpo.clip_high": "use rl.loss: {type: ppo_clip, clip_high: 0.2}",
    "grpo.normalisation": "use rl.averaging: sequence (was grpo), token (was dapo) or constant (was dr_grpo)",
    "grpo.advantage_epsilon": "use rl.advantages: {type: group_norm, epsilon: 1.0e-6}",
    "rl.clip_low": "use rl.loss: {type: ppo_clip, clip_low: 0.2}",
    "rl.clip_high": "use rl.loss: {type: ppo_clip, clip_high: 0.2}",
    "rl.normalisation": "use rl.averaging: sequence (was grpo), token (was dapo) or constant (was dr_grpo)",
    "rl.advantage_epsilon": "use rl.advantages: {type: group_norm, epsilon: 1.0e-6}",
}
"""By the old dotted key: what to write instead. A key of a section stands for all its settings without a row."""


def moved(values: Mapping[str, Any]) -> str:
    """What to write instead of the old settings among nested `values`, in one line; empty where there are none."""
    return "; ".join(f"{key} is no longer a setting: {MOVED[key]}" for key in _keys(values) if key in MOVED)


def _keys(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        key = f"{prefix}{name}"
        yield key
        if isinstance(value, Mapping):
            yield from _keys(value, f"{key}.")
