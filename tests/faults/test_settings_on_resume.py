"""Each setting of a run, changed on resume: in force and written down, or refused by its name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.small_run import SMALL
from visplay.cli.main import main
from visplay.config import Settings, load_settings
from visplay.config.changes import changed_settings, may_change
from visplay.errors import ConfigError
from visplay.runs import RunDirectory
from visplay.selfplay.state import SelfPlayState

pytestmark = pytest.mark.faults
FULL = [
    "silver.gates=[answered, band, needs_image, self_check]",
    "silver.labeler={type: facts}",
    "questioner.gates=[answered, band]",
    "questioner.synthesis_sampling={top_p: 0.9}",
    "reasoner.vote_sampling={top_k: 40}",
    "reasoner.sampling.max_tokens=64",
    "evaluation.suites=[easy_vqa, lab]",
    "acceptance.images=0",
]
# No other value of them alone is valid: what is trained on is not cut, and some settings go with others.
INVALID = {"questioner.bank", "four_bit"} | {
    f"{role}.sampling.{cut}" for role in ("questioner", "reasoner") for cut in ("top_p", "top_k")
}
OTHERS: list[Any] = [
    *(True, False, 1, 2, 3, 70, 0.5, 0.25, 0.75, 1e-3, "x.yaml", "cpu", "device", "lora", "full", "bfloat16"),
    *("batch", "token", "adamw_8bit", "format", "random", "group_norm", "right_only", "majority", "facts"),
    *("gspo", "ppo_clip", "transformers", "vllm", "noisy", "single", "lab/single", "other"),
    *("uncertain", "skill", "linear", ["rotation"], {"keep": 1}),
    *("phase", "empty", "index", {"enable_thinking": False}, {"question": "ask"}),
    *([], ["answered"], ["plain", "darker"], ["tensorboard"], {"all": ["easy_vqa"]}, ["what is it?"], None),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interrupted run with as many settings as possible."""
    path = tmp_path_factory.mktemp("run") / "run"
    changes = [f"{key}={value}" for key, value in SMALL.items()]
    with RunDirectory.create(path, load_settings("paper-lab", [*changes, *FULL])) as opened:
        opened.save_state({"iteration": 1, "phase": "reasoner", "step": 1})
    return path


def leaves(values: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every single setting with its value; components of a list by their types."""
    if isinstance(values, list) and values and all(isinstance(each, dict) for each in values):
        for each in values:
            for name in each.keys() - {"type"}:
                yield from leaves(each[name], f"{above}.{each['type']}.{name}")
        return
    if isinstance(values, dict) and "type" in values:
        yield above, values["type"]
        values = {name: value for name, value in values.items() if name != "type"}
    elif not isinstance(values, dict) or not values:
        yield above, values
        return
    for name, value in values.items():
        yield from leaves(value, f"{above}.{name}" if above else name)


def changed(config: Path, key: str) -> tuple[str, Settings] | None:
    """An override that changes a setting, with the settings it gives; None if none of the values is valid."""
    before = load_settings(str(config))
    for value in OTHERS:
        override = f"{key}={json.dumps(value)}"
        try:
            after = load_settings(str(config), [override])
        except (ConfigError, ValueError):
            continue
        if after != before:
            return override, after
    return None


def test_every_setting_is_in_force_or_refused_by_name(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, found = run / "config.yaml", {"taken": [], "refused": [], "invalid": []}
    before, text = load_settings(str(config)), config.read_text()
    for key, value in leaves(before.model_dump(mode="json")):
        change = changed(config, key)
        if change is None:
            override, kind = f"{key}={json.dumps(value)}x", "invalid"
        else:
            override, kind = change[0], "taken" if may_change(key, change[1]) else "refused"
        if kind == "taken" and change is not None:
            copy = tmp_path / str(len(found["taken"]))
            shutil.copytree(run, copy)
            with RunDirectory.open(copy, change[1]) as opened:
                assert opened.changes.startswith(key), key
            assert load_settings(str(copy / "config.yaml")) == change[1]
            assert list(changed_settings(before, change[1])) == list(opened.events.lines()[-1]["changes"])
        else:
            assert main(["evolve", "--resume", "--out", str(run), "--set", override]) == 2, key
            said = capsys.readouterr().err
            assert len(said.splitlines()) == 1 and key.rpartition(".")[2] in said, said
            assert config.read_text() == text
        found[kind].append(key)
    print(found)
    assert set(found["invalid"]) <= INVALID, "OTHERS lacks a value for them"
    assert len(found["refused"]) > 70
    assert {key.partition(".")[0] for key in found["taken"]} == {
        *("questioner", "rl", "idle", "gradient_checkpointing", "device", "checkpoint_every"),
        *("engine", "vote_engine"),
    }


@pytest.mark.parametrize("flag", [["--seed", "7"], ["--iterations", "9"], ["--model", "other"], ["--images", "x"]])
def test_flags_count_as_settings(run: Path, capsys: pytest.CaptureFixture[str], flag: list[str]) -> None:
    assert main(["evolve", "--resume", "--out", str(run), *flag]) == 2
    assert f"{flag[0].removeprefix('--')}" in capsys.readouterr().err


def test_what_may_change_has_an_effect(run: Path) -> None:
    changes = ["rl.learning_rate=1e-7", "questioner.learning_rate=2e-7", "rl.weight_decay=0.5"]
    changes += ["rl.micro_batch_tokens=640", "engine.batch=7", "engine.tokens=640", "gradient_checkpointing=true"]
    state = SelfPlayState(load_settings(str(run / "config.yaml"), changes))
    (asking,), (answering,) = (
        state.questioner_trainer.optimizer.param_groups,
        state.reasoner_trainer.optimizer.param_groups,
    )
    assert (asking["lr"], answering["lr"]) == (2e-7, 1e-7)
    assert asking["weight_decay"] == answering["weight_decay"] == 0.5
    assert state.reasoner_trainer.micro_batch.tokens == state.questioner_trainer.micro_batch.tokens == 640
    assert tuple(state.reasoner.engine.limits) == (7, 640)
    assert state.reasoner_policy.vlm.model.is_gradient_checkpointing
    state.close()
