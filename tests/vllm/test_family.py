"""A family that is not the lab's, from its folder and photos as files, through a whole iteration with vLLM.

The model is a SmolVLM of transformers' own class, tiny and taught to ask and answer; vLLM's attention on CPUs takes
heads of 64 and more.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.parity.folders import teach, write_folder
from visplay.data.sources.folder import folder as images_in

pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed: make test-vllm")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of noise, of different shapes."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number, shape in enumerate([(20, 20), (32, 16), (16, 33), (28, 20), (24, 40), (32, 32)]):
        Image.fromarray(random.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def model(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_folder("smolvlm", tmp_path_factory.mktemp("family") / "smolvlm", head_size=64)
    teach(folder, images_in(photos).images[:2])
    return folder


@pytest.mark.parametrize("tune", ["full", "lora"])
def test_an_iteration(model: Path, photos: Path, tune: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    small = {
        "tune": tune,
        "device": "cpu",
        "engine": "{type: vllm, kv_cache_gib: 0.25, max_model_len: 512}",
        "questioner.steps": 1,
        "questioner.images_per_step": 3,
        "questioner.group_size": 4,
        "questioner.votes": 4,
        "silver.votes": 6,
        "silver.gates.band.high": 0.9,
        "reasoner.steps": 2,
        "reasoner.questions_per_step": 3,
        "reasoner.group_size": 4,
        "rl.learning_rate": 1e-3,
        "evaluation.suites": "[]",
    }
    flags = [flag for key, value in small.items() for flag in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "visplay", "evolve", "--model", str(model), "--images", str(photos)]
    command += ["--preset", "paper-lab", "--iterations", "1", "--seed", "1", "--out", str(run)]
    finished = subprocess.run([*command, *flags], capture_output=True, text=True, timeout=900, check=False)
    assert finished.returncode == 0, finished.stderr[-3000:]
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["phase"] for line in lines] == ["questioner", "silver", "reasoner", "reasoner"]
    assert lines[1]["valid"] > 0.8 * lines[1]["asked"] and lines[1]["kept"] > 0
    learned = lines[2:]
    # What samples is what was trained: the second step's answers come from weights that the first one moved.
    assert all(line["grad_norm"] > 0 for line in learned) and learned[1]["kl"] > 0
    assert max(line["logprob_check"] for line in (lines[0], *learned)) < 1e-4
