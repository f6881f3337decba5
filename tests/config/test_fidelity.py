"""The presets `official` and `paper` against what is published: a row per setting, with where it is written.

Sources are files of the published code (github.com/bruno686/VisPlay at 3aa895b) and sections of arXiv 2511.15661.
docs/fidelity.md has the same table, and the reasons where a preset differs from the published code on purpose.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from visplay.config import Settings, load_settings

PAGE = (Path(__file__).parents[2] / "docs" / "fidelity.md").read_text(encoding="utf-8")
CONFIG, ACTOR, REWARD = "cot_config.yaml", "actor/config.py", "cot_val.py"
VOTES, ASKS, LABELS = "start_vllm_server.py", "question_generate.py", "evaluate.py"

PUBLISHED: list[tuple[str, Any, str]] = [
    # The model
    ("model", "Qwen/Qwen2.5-VL-3B-Instruct", "scripts_Qwen-VL-3B"),
    ("tune", "full", ACTOR),
    ("train_vision", True, f"{CONFIG}: freeze_vision_tower"),
    ("min_pixels", 262144, CONFIG),
    ("max_pixels", 4194304, CONFIG),
    ("dtype", "bfloat16", ACTOR),
    ("gradient_checkpointing", True, CONFIG),
    ("iterations", 3, "section 4"),
    # Questioner phase
    ("questioner.steps", 40, "scripts_Qwen-VL-3B"),
    ("questioner.images_per_step", 512, f"{CONFIG}: rollout_batch_size"),
    ("questioner.group_size", 8, f"{CONFIG}: rollout.n"),
    ("questioner.votes", 10, VOTES),
    ("questioner.reward", {"type": "official"}, REWARD),
    ("questioner.diversity.weight", 1.0, REWARD),
    ("questioner.diversity.threshold", 0.5, REWARD),
    ("questioner.diversity.scope", "batch", REWARD),
    ("questioner.diversity.invalid_as", "empty", REWARD),
    ("questioner.history_size", 0, REWARD),
    ("questioner.sampling.temperature", 1.0, CONFIG),
    ("questioner.sampling.top_p", 0.99, CONFIG),
    ("questioner.sampling.top_k", 0, CONFIG),
    ("questioner.sampling.max_tokens", 2048, CONFIG),
    # Synthesis
    ("questioner.synthesis_sampling.temperature", 1.0, ASKS),
    ("questioner.synthesis_sampling.top_p", 0.95, ASKS),
    ("questioner.synthesis_sampling.top_k", 0, ASKS),
    ("questioner.synthesis_sampling.max_tokens", 4096, ASKS),
    ("silver.images", 8000, "solver_train.sh: 1,000 by each of 8 workers"),
    ("silver.questions_per_image", 1, ASKS),
    ("silver.labeler", {"type": "majority", "augmentations": ["plain"]}, LABELS),
    ("silver.votes", 9, LABELS),
    ("silver.gates", [{"type": "band", "low": 0.3, "high": 0.8, "chance_corrected": False}], "solver_train.sh"),
    ("reasoner.vote_sampling.temperature", 1.0, VOTES),
    ("reasoner.vote_sampling.top_p", 1.0, VOTES),
    ("reasoner.vote_sampling.top_k", 40, VOTES),
    ("reasoner.vote_sampling.max_tokens", 4096, VOTES),
    # Reasoner phase
    ("reasoner.steps", 40, "scripts_Qwen-VL-3B"),
    ("reasoner.questions_per_step", 512, f"{CONFIG}: rollout_batch_size"),
    ("reasoner.group_size", 8, f"{CONFIG}: rollout.n"),
    ("reasoner.reward", {"type": "silver", "format_weight": 0.1}, "cot_val_solver.py"),
    ("reasoner.augmentations", ["plain"], "dataset.py"),
    ("reasoner.sampling.temperature", 1.0, CONFIG),
    ("reasoner.sampling.top_p", 0.99, CONFIG),
    ("reasoner.sampling.top_k", 0, CONFIG),
    ("reasoner.sampling.max_tokens", 4096, "solver_train.sh"),
    # The update
    ("rl.learning_rate", 1e-6, CONFIG),
    ("rl.optimizer", "adamw", CONFIG),
    ("rl.fresh_optimizer", True, "main.sh"),
    ("rl.weight_decay", 0.01, CONFIG),
    ("rl.max_grad_norm", 1.0, CONFIG),
    ("rl.advantages", {"type": "group_norm", "epsilon": 1e-6}, "core_algos.py"),
    ("rl.loss", {"type": "ppo_clip", "clip_low": 0.2, "clip_high": 0.3, "dual_clip": 3.0}, ACTOR),
    ("rl.averaging", "sequence", "dp_actor.py"),
    ("rl.dynamic_sampling", 0, "ray_trainer.py"),
    ("rl.kl", 0.01, CONFIG),
    ("rl.reference", "phase", "main.sh"),
    ("rl.entropy", 0.0, "dp_actor.py"),
    ("rl.updates_per_step", 4, f"{CONFIG}: global_batch_size"),
    ("rl.importance_cap", 0.0, "dp_actor.py"),
    ("acceptance.images", 0, "main.sh"),
]

# Where a preset says something else on purpose; docs/fidelity.md has the reason.
DEVIATIONS = {"questioner.sampling.top_p": 1.0, "reasoner.sampling.top_p": 1.0}

# What the paper says. All else of its preset is the published code's.
PAPER: list[tuple[str, Any, str]] = [
    ("questioner.steps", 20, "section 4, for 3B"),
    ("questioner.reward", {"type": "paper"}, "section 3"),
    ("questioner.diversity.scope", "image", "section 3"),
    ("silver.images", None, "section 4: all 47,000"),
    ("silver.gates", [{"type": "band", "low": 0.25, "high": 0.75, "chance_corrected": False}], "section 3"),
    ("reasoner.steps", 20, "section 4, for 3B"),
    ("reasoner.reward", {"type": "silver", "format_weight": 0.0}, "section 3"),
]


def value(settings: Settings, key: str) -> Any:
    found: Any = settings.model_dump(mode="json")
    for name in key.split("."):
        found = found[name]
    return found


@pytest.mark.parametrize(("key", "published", "source"), PUBLISHED)
def test_official_is_the_published_code(key: str, published: Any, source: str) -> None:
    assert value(load_settings("official"), key) == DEVIATIONS.get(key, published), source


@pytest.mark.parametrize(("key", "printed", "source"), PAPER)
def test_paper_is_what_the_paper_says(key: str, printed: Any, source: str) -> None:
    assert value(load_settings("paper"), key) == printed, source


def test_where_the_paper_is_silent_its_preset_is_the_published_code() -> None:
    paper, official = (load_settings(name).model_dump(mode="json") for name in ("paper", "official"))
    for key, _, _ in PAPER:
        *sections, name = key.split(".")
        ours, theirs = paper, official
        for section in sections:
            ours, theirs = ours[section], theirs[section]
        assert ours.pop(name) != theirs.pop(name), key
    assert paper == official


def test_no_deviation_is_silent() -> None:
    published = {key: expected for key, expected, _ in PUBLISHED}
    for key, ours in DEVIATIONS.items():
        assert published[key] != ours and f"`{key}`" in PAGE.partition("## What differs")[2]


def test_the_page_has_the_same_table() -> None:
    """Each row: setting, published code, `official`, `paper`, source."""
    rows = re.findall(r"^\| `([a-z_.]+)` \| `(.*?)` \| `(.*?)` \| `(.*?)` \| (.*) \|$", PAGE, re.MULTILINE)
    told = {key: tuple(map(yaml.safe_load, cells)) for key, *cells, _ in rows}
    official, paper = load_settings("official"), load_settings("paper")
    assert told == {key: (row, value(official, key), value(paper, key)) for key, row, _ in PUBLISHED}
    assert {key: source for key, *_, source in rows} == {key: source for key, _, source in PUBLISHED}


def test_the_labs_substitutes_are_a_preset_of_their_own() -> None:
    lab, paper = load_settings("paper-lab"), load_settings("paper")
    for key, _, _ in PAPER:
        if key != "silver.images":
            assert value(lab, key) == value(paper, key), key
    assert (lab.model, lab.rl.learning_rate, lab.questioner.images_per_step, lab.silver.images) == (
        "lab",
        3e-5,
        16,
        500,
    )
