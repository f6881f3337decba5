"""The memory of the process does not grow with the number of steps."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.tiny_runs import tiny_run
from visplay.runs.metrics import MetricsLog

pytestmark = pytest.mark.faults
STEPS = 500


def test_resident_memory_is_flat_over_500_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resident: list[int] = []
    real = MetricsLog.append

    def append(self: MetricsLog, phase: str, *rest: Any) -> Any:
        if phase == "reasoner":
            resident.append(int(Path("/proc/self/statm").read_text().split()[1]))
        return real(self, phase, *rest)

    monkeypatch.setattr(MetricsLog, "append", append)
    changes = ["questioner.steps=0", "questioner.bank=['what color is the circle?', 'is there a cross?']"]
    changes += [f"reasoner.steps={STEPS}", "reasoner.questions_per_step=1", "reasoner.group_size=2"]
    changes += ["reasoner.sampling={max_tokens: 8}", "reasoner.vote_sampling={max_tokens: 128}", "silver.gates=[]"]
    changes += ["rl.learning_rate=1e-6", "rl.kl=0", "evaluation.before=false", "checkpoint_every=50", "trackers=[]"]
    tiny_run(tmp_path / "run", *changes)
    assert len(resident) == STEPS
    early, late = median(resident[100:150]), median(resident[-50:])
    print(f"resident pages: {early:.0f} at step 125, {late:.0f} at step 475")
    assert late <= 1.02 * early
