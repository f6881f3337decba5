"""The weight of the KL penalty, which may follow the KL of the steps."""

from __future__ import annotations

import math
from pathlib import Path

from visplay.runs.files import read_json, write_json

LEAST, MOST = 1e-8, 1e2  # of an adapted weight, as in EvoLMM's code
_FILE = "kl.json"


class KLWeight:
    """The weight β of the KL penalty of a role.

    With a target it is adapted after each step: β ← β · exp(rate · (KL − target) / target), within [1e-8, 100], so that
    it grows while the policy is further from the reference than the target, and falls while it is nearer. Source: the
    code of EvoLMM (arXiv 2511.16672); the idea is D. Ziegler et al.'s proportional controller (arXiv 1909.08593,
    section 2.2), which adds instead. A weight of 0 stays 0.

    Attributes:
        value: β of the next step.
    """

    def __init__(self, initial: float, target: float | None = None, rate: float = 0.1) -> None:
        self.value = initial
        self._target = target
        self._rate = rate

    def adapt(self, kl: float) -> None:
        """Take in the mean KL of a step, in nats per token."""
        if self._target is not None and self.value > 0:
            change = self._rate * (kl - self._target) / self._target
            self.value = min(MOST, max(LEAST, self.value * math.exp(min(change, math.log(MOST / LEAST)))))

    def save(self, folder: Path) -> None:
        """Write the weight if it is adapted."""
        if self._target is not None:
            write_json(folder / _FILE, {"weight": self.value})

    def restore(self, folder: Path) -> None:
        """Read what `save` wrote; a weight that is not adapted stays that of the settings."""
        if self._target is not None:
            self.value = float(read_json(folder / _FILE)["weight"])
