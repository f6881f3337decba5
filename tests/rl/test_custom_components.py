"""An advantage estimator and a loss from files outside the package, named in a run's YAML."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tiny_runs import tiny_run
from visplay.config import load_settings

ESTIMATOR = '''
from visplay.interfaces.advantages import AdvantageEstimator


class Constant(AdvantageEstimator):
    """The same advantage for every completion."""

    value: float = 0.0

    def estimate(self, groups):
        return [(self.value,) * len(group.rewards) for group in groups]
'''

LOSS = '''
from visplay.interfaces.loss import PolicyLoss


class Reinforce(PolicyLoss):
    """Minus advantage times log-probability."""

    def cost(self, logprobs_ST, old_logprobs_ST, advantages_S, mask_ST):
        return -advantages_S[:, None] * logprobs_ST, ~mask_ST
'''


def test_a_run_takes_them_by_import_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_constant.py").write_text(ESTIMATOR)
    Path("my_reinforce.py").write_text(LOSS)
    changes = [
        "rl.advantages={type: custom, import_path: 'my_constant:Constant', value: 0.5}",
        "rl.loss={type: custom, import_path: 'my_reinforce:Reinforce'}",
        "rl.kl=0",
    ]
    run = tiny_run(tmp_path / "run", *changes)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    trained = [line for line in lines if line["phase"] in ("questioner", "reasoner")]
    assert len(trained) == 3
    # Equal rewards have an advantage too, and the cost is 0.5 times the mean surprise, which is positive.
    assert all(line["zero_advantage_groups"] == 0 and line["loss"] > 0 for line in trained)
    again = load_settings(str(run / "config.yaml"))
    assert (again.rl.advantages.name, again.rl.loss.name) == ("Constant", "Reinforce")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("rl.loss={type: custom}", "needs import_path"),
        ("rl.loss={type: custom, import_path: 'no_such_module:Loss'}", "cannot be imported"),
        ("rl.loss={type: custom, import_path: 'json:JSONDecoder'}", "is not a subclass of"),
    ],
)
def test_what_is_no_loss_is_one_line(change: str, said: str) -> None:
    with pytest.raises(ValueError, match=rf"^[^\n]*{said}[^\n]*$"):
        load_settings("paper-lab", [change])
