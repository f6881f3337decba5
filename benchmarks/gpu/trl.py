"""The part `trl3b`: TRL's own `GRPOTrainer` on the completions of the part `update3b`, without the penalty."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model

from benchmarks.gpu import inputs
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.ceilings import ceilings
from benchmarks.gpu.floors import Floors
from benchmarks.gpu.models import make_vlm
from benchmarks.gpu.peer import PLAIN
from benchmarks.gpu.update import case_of, sizes
from benchmarks.gpu.windows import joined_windows
from visplay.config import LoraSettings, RLSettings
from visplay.models.adapters import target_pattern

_ROUNDS = 2


def run(bench: Bench) -> None:
    """Time updates with gradient checkpointing, TRL's default."""
    if importlib.util.find_spec("trl") is None:
        bench.findings.add("TRL", skipped="trl is not installed")
        return
    with bench.attempt("TRL"):
        _measure(bench)


def _measure(bench: Bench) -> None:
    # Imported here, because TRL may be absent.
    from benchmarks.trl_update import TrlUpdate

    image_tokens, size, length = sizes(bench)
    vlm = make_vlm(bench, bench.size or "3b", torch.bfloat16, image_tokens)
    floors = Floors.of(vlm, image_tokens, ceilings(bench))
    groups = [inputs.group("trl", number, image_tokens, size, length) for number in range(1 + _ROUNDS)]
    prompt = len(vlm.encode(groups[0].request.image, groups[0].request.prompt).token_ids)
    lora, model = LoraSettings(), vlm.model
    model.set_attn_implementation({"text_config": PLAIN})
    targets = target_pattern(model, lora.targets)
    adapted = get_peft_model(model, LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=targets))
    settings = RLSettings(kl=0.0, learning_rate=1e-5)
    given = {"use_cpu": not bench.device.is_gpu, "bf16": True}
    update = TrlUpdate(Path(vlm.name), settings, False, size, checkpointing=True, model=adapted, **given)
    steps = iter([update.prepare(group) for group in groups])
    with joined_windows(model):
        next(steps)()
        bench.device.restart_peak()
        rounds = bench.device.seconds(lambda: next(steps)(), _ROUNDS, 0)
    floor_s = floors.update_s(prompt, size, length, kl=False)
    more = {"peak_bytes": bench.device.peak(), "last": update.found[-1]}
    case, how, tokens = case_of(bench, 0.0), "gradient checkpointing", size * length
    bench.findings.time("update", case, "TRL GRPOTrainer", how, rounds, floor_s=floor_s, tokens=tokens, **more)
