"""What is told of a model without weights is what the model really holds, on the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils._pytree import tree_leaves
from transformers import AutoConfig, Qwen2_5_VLConfig

from tests.parity.families import FAMILIES, PADDED
from tests.tools.plan.shapes import qwen_3b, qwen_7b
from visplay.config import Settings, load_settings
from visplay.distributed.controller import Controller
from visplay.generation.backends.transformers import TransformersEngine
from visplay.generation.batching import BatchLimits
from visplay.interfaces.engine import Sampling
from visplay.models.cache import TreeCache
from visplay.models.policy import Policy, new_policy
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.rl.trainer import Trainer
from visplay.tools.plan.blank import LiveBytes
from visplay.tools.plan.model import Measured, optimizer_bytes
from visplay.tools.plan.plan import Plan
from visplay.tools.plan.table import conclusion, plan_lines
from visplay.tools.plan.workload import Assumed, Batch, Generation
from visplay.types import ImageRef, Request

ON_CPU = ("device=cpu", "lora.rank=4")


def _settings(*more: str) -> Settings:
    return load_settings("paper-lab", [*ON_CPU, *more])


def _measured(folder: Path, settings: Settings, processes: int = 1) -> Measured:
    return Measured("tiny", AutoConfig.from_pretrained(folder), settings, processes)


def _policies(folder: Path, settings: Settings) -> tuple[VLM, list[Policy]]:
    base = VLM.load(folder, settings.dtype, "cpu")
    made = [
        new_policy(base, r, settings.tune, settings.lora, settings.train_vision) for r in ("questioner", "reasoner")
    ]
    return base, made


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_of_every_family(family: str) -> None:
    model = FAMILIES[family]().model
    measured = Measured(family, model.config, _settings("tune=full"))
    assert measured.total == sum(p.numel() for p in model.parameters())
    assert measured.base == sum(t.nbytes for t in (*model.parameters(), *model.buffers()))
    assert 0 < measured.decoder < measured.total
    assert measured.vision > 0


@pytest.mark.parametrize(
    ("family", "tune"), [(family, "lora") for family in FAMILIES] + [(family, "full") for family in sorted(PADDED)]
)
def test_every_family_has_a_plan(family: str, tune: str) -> None:
    more = ("questioner.steps=1", "reasoner.steps=1", "silver.images=4", "rl.micro_batch_tokens=4096")
    plan = Plan(family, FAMILIES[family]().model.config, _settings(f"tune={tune}", *more), 10**10)
    assert plan.fits and plan.activations > 0 and plan.model.token_bytes > 0
    assert bool(plan.model.state_bytes) == (family in PADDED)
    assert plan.fitting_micro_batch >= plan.group and plan.fitting.answers > 0
    assert list(plan_lines(plan))[-1] == conclusion(plan)


@pytest.mark.parametrize("family", ["gemma3", "gemma4"])
def test_many_rows_take_what_few_say(family: str) -> None:
    measured = Measured(family, FAMILIES[family]().model.config, _settings())
    counted = measured._update_bytes(measured._policy, 16, 300, False)
    assert measured.activations(16 * 300, 300) - measured.mask_bytes(16, 300) == pytest.approx(counted, rel=0.02)


@torch.no_grad()
@pytest.mark.parametrize("family", sorted(PADDED))
def test_what_padded_rows_keep_is_counted(family: str) -> None:
    tiny = FAMILIES[family]()
    measured = Measured(family, tiny.model.config, _settings())
    batch, own = Batch(trees=3, answers=1, shared=1100), 30
    rows = torch.full((batch.trees, batch.shared + own), 5)
    cache = tiny.model.model.language_model(input_ids=rows, use_cache=True).past_key_values
    tensors = [t for layer in cache.layers for t in tree_leaves(vars(layer)) if isinstance(t, torch.Tensor)]
    assert measured.kv_bytes(batch, own) == sum(t.nbytes for t in tensors if t.ndim > 1)


@pytest.mark.parametrize(("config", "billions"), [(qwen_3b(), 3.75), (qwen_7b(), 8.29)])
def test_parameters_of_released_shapes(config: Qwen2_5_VLConfig, billions: float) -> None:
    measured = Measured("qwen", config, _settings("dtype=bfloat16"))
    assert measured.total / 1e9 == pytest.approx(billions, abs=0.005)
    text = config.get_text_config()
    cached = 2 * text.num_hidden_layers * text.num_key_value_heads * 128 * 2
    assert measured.token_bytes == cached


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("tuning", [("tune=lora",), ("tune=lora", "lora.targets=[q_proj]"), ("tune=full",)])
def test_weights_of_roles(model_folder: Path, tuning: tuple[str, ...], dtype: str) -> None:
    settings = _settings(*tuning, f"dtype={dtype}")
    measured = _measured(model_folder, settings)
    base = VLM.load(model_folder, dtype, "cpu")
    known = {id(p) for p in base.model.parameters()}
    roles = [new_policy(base, r, settings.tune, settings.lora) for r in ("questioner", "reasoner")]
    own = {id(p): p for role in roles for p in role.model.parameters() if id(p) not in known}
    assert measured.roles == sum(p.nbytes for p in own.values())
    assert measured.trainable == sum(p.numel() for p in roles[1].trainable())
    assert measured.gradients == sum(p.nbytes for p in roles[1].trainable())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("optimizer", ["adamw", "adamw_8bit"])
@pytest.mark.parametrize("tune", ["lora", "full"])
def test_state_of_the_optimizer(model_folder: Path, tune: str, optimizer: str, dtype: str) -> None:
    if optimizer == "adamw_8bit":
        pytest.importorskip("bitsandbytes")
    settings = _settings(f"tune={tune}", f"rl.optimizer={optimizer}", f"dtype={dtype}")
    _, roles = _policies(model_folder, settings)
    held = 0
    for role in roles:
        trainer = Trainer(role, settings.rl)
        masters = trainer.optimizer.param_groups[0]["params"]
        for master in masters:
            master.grad = torch.ones_like(master)
        trainer.optimizer.step()
        held += sum(m.nbytes for m, p in zip(masters, role.trainable(), strict=True) if m is not p)
        tensors = [t for state in trainer.optimizer.state.values() for name, t in state.items() if "qmap" not in name]
        held += sum(t.nbytes for t in tensors if isinstance(t, torch.Tensor))
    assert 2 * _measured(model_folder, settings).optimizer == held


@pytest.mark.parametrize("tune, dtype", [("lora", "float32"), ("full", "bfloat16")])
def test_state_of_one_of_several_processes(model_folder: Path, tune: str, dtype: str) -> None:
    settings = _settings(f"tune={tune}", f"dtype={dtype}")
    _, roles = _policies(model_folder, settings)
    held = []
    for rank in range(3):
        weights = roles[0].trainable()
        masters = Trainer(roles[0], settings.rl, controller=Controller(rank, 3)).optimizer.param_groups[0]["params"]
        copied = sum(m.nbytes for m in masters if all(m is not p for p in weights))
        held.append(copied + sum(8 * m.numel() + 4 for m in masters))
    assert _measured(model_folder, settings, 3).optimizer == max(held)
    assert sum(held) == _measured(model_folder, settings).optimizer > 2 * max(held)


def test_keys_and_values_are_those_of_the_cache(model_folder: Path) -> None:
    text = AutoConfig.from_pretrained(model_folder).get_text_config()
    layers, groups = text.num_hidden_layers, text.num_key_value_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    batch, own = Batch(trees=2, answers=5, shared=11), 70
    with LiveBytes() as live:
        cache = TreeCache()
        for layer in range(layers):
            cache.update(*(torch.zeros(batch.trees, groups, batch.shared, size) for _ in range(2)), layer)
        for _ in range(own):
            for layer in range(layers):
                cache.update(*(torch.zeros(batch.trees, groups, batch.answers, size) for _ in range(2)), layer)
        assert live.now == _measured(model_folder, _settings()).kv_bytes(batch, own)


@pytest.mark.parametrize(("tune", "entropy"), [("lora", 0.0), ("lora", 0.01), ("full", 0.0)])
def test_activations_of_an_update(model_folder: Path, images: tuple[ImageRef, ...], tune: str, entropy: float) -> None:
    settings = _settings(f"tune={tune}", f"rl.entropy={entropy}")
    measured = _measured(model_folder, settings)
    _, (_, reasoner) = _policies(model_folder, settings)
    for parameter in reasoner.trainable():
        parameter.grad = torch.zeros_like(parameter)
    with reasoner.active() as vlm:
        prompt = vlm.encode(images[0], "What?")
        ids = (*prompt.token_ids, *range(40, 240))
        tree, _ = TokenTree.build([ids]), vlm.features([prompt.pixels])
        vlm.train()
        with LiveBytes() as live:
            scores = vlm.logprobs([tree], [prompt.pixels], [[1]], entropy > 0)
            (scores.logprobs_ST.sum() + scores.entropy_ST.sum()).backward()
    assert 0.99 * live.peak <= measured.activations(len(ids), len(ids)) <= 1.07 * live.peak


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize(("prompts", "answers"), [(1, 48), (3, 4)])
def test_peak_of_a_rollout(
    model_folder: Path, images: tuple[ImageRef, ...], prompts: int, answers: int, alone: bool
) -> None:
    settings = _settings("tune=lora")
    measured = _measured(model_folder, settings)
    _, (_, reasoner) = _policies(model_folder, settings)
    sampling = Sampling(max_tokens=40)
    # The two images of the same size; the shapes of others would be padded.
    requests = [
        Request(f"{image.id}/{n}", image, f"What is {n}? {'word ' * 20}", answers)
        for image in (images[0], images[4])
        for n in range(prompts)
    ]
    with reasoner.active() as vlm:
        vlm.eos_ids = (10**6,)  # no answer ends before its limit
        encoded = [vlm.encode(r.image, r.prompt) for r in requests]
        vlm.features([e.pixels for e in encoded])
    image = encoded[0].token_ids.count(vlm.image_token_id)
    # The start of a prompt is shared by all.
    tree = TokenTree.build([e.token_ids for e in encoded[:prompts]])
    assumed = Assumed(image, image, prompt_tokens=(len(tree) - image) // prompts)
    bounds = BatchLimits(512, len(tree) if alone else 65536)
    with LiveBytes() as live:
        TransformersEngine(reasoner, 0, bounds.answers, bounds.tokens).generate(requests, sampling)
    generation = Generation("votes", 1, 2, prompts, prompts * answers, 40, sampling)
    batch = Batch.of(generation, assumed, bounds, tree=True)
    assert batch.trees == (1 if alone else 2)
    assert measured.rollout_peak(generation, batch).total == pytest.approx(live.peak, rel=0.1)


def test_eight_bits_save_six_of_eight_bytes() -> None:
    assert optimizer_bytes([4096], False) == 8 * 4096 + 4
    assert optimizer_bytes([4096, 100], True) == 2 * (4096 + 4 * 16) + 800


def test_recomputed_activations_are_fewer(model_folder: Path) -> None:
    kept, again = (
        _measured(model_folder, _settings("tune=lora", f"gradient_checkpointing={on}")).activations(512, 512)
        for on in ("false", "true")
    )
    assert again < 0.7 * kept
