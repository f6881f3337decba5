"""The training of the tiny VLM: stages, losses, checkpoints.

First the vision tower alone predicts, for each cell of 8 × 8 pixels, what it shows and where that is (by linear heads,
`Eyes`, which are not kept). Then the whole model learns questions and answers, several per image, packed as a token
tree so that the image is encoded once; the loss of the vision tower is kept. AdamW, with a learning rate annealed to
zero; matrix products in bfloat16.

Shapes: B images, L packed tokens, C cells of an image, H hidden, N scored tokens, V vocabulary, D depths.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import Qwen2_5_VLForConditionalGeneration

from scripts.pretrain.lessons import OPPOSITE, PROMPTS, REGULAR, SEVERAL, Lesson, Stage, Teacher, corpus
from scripts.pretrain.model import GRID, MERGE, build_image_processor, build_model, build_tokenizer, save
from visplay.errors import ConfigError
from visplay.lab.scene import COLORS, SHAPES, STEPS
from visplay.models.token_tree import PackedTrees, TokenTree

_LESSONS_A_STAGE = 10_000_000
_LATE: dict[str, Any] = {"whole": True, "answer_weight": 4.0, "negated": 0.5}
_LISTS: dict[str, Any] = {**_LATE, "wide": True, "taught": 0.3, "vision": False, "focused": 0.75}
# A kind that is named three times is asked three times as often as one that is named once.
_BOTH = tuple(kind for kind in REGULAR for _ in range(3)) + OPPOSITE
_SIGNS: dict[str, Any] = {**_LISTS, "rate": 8e-4, "horizon": 400, "taught": 1.0, "signs": True, "lessons": 0}
_CALM: dict[str, Any] = {**_SIGNS, "rate": 6e-4, "horizon": 300, "taught": 0.0, "focused": 0.3, "focus": ("count",)}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, with the seed."""

    seed: int = 7
    batch: int = 16
    warmup: int = 50
    weight_decay: float = 0.02
    eye_weight: float = 0.3
    stages: tuple[Stage, ...] = (
        Stage("eyes", whole=False, steps=1000, horizon=1000),
        Stage("words", whole=True, steps=2500, horizon=3500, single_until=0.05, few_until=0.2),
        Stage("negated", steps=200, horizon=900, rate=4e-4, **_LATE),
        Stage("wide", steps=900, horizon=900, rate=5e-4, wide=True, **_LATE),
        Stage("reasoning", steps=200, horizon=200, rate=2e-4, wide=True, taught=0.2, **_LATE),
        Stage("practice", steps=600, horizon=800, rate=6e-4, wide=True, taught=0.15, **_LATE),
        Stage("lists", steps=1000, horizon=2000, rate=8e-4, **_LISTS),
        Stage("deduction", steps=2000, horizon=2000, rate=8e-4, deduced_weight=3.0, **_LISTS),
        Stage("counts", steps=600, horizon=600, rate=5e-4, deduced_weight=3.0, **_LISTS | {"focus": ("count",)}),
        Stage("relations", steps=350, deduced_weight=3.0, **_SIGNS | {"focus": REGULAR}),
        Stage("opposites", steps=75, deduced_weight=2.0, **_SIGNS | {"answer_weight": 6.0, "focus": _BOTH}),
        Stage("calm", steps=300, deduced_weight=2.0, **_CALM | {"answer_weight": 2.0}),
    )


def read_recipe(file: Path) -> Recipe:
    """A recipe from the `recipe.json` that `pretrain` leaves beside its log.

    Raises:
        ConfigError: the file is missing, no JSON, or names what a recipe or stage does not have.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        stages = tuple(_stage(**stage) for stage in values.pop("stages", ()))
        return Recipe(**values, stages=stages) if stages else Recipe(**values)
    except OSError:
        raise ConfigError(f"no recipe file {file}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{file} is no recipe: {' '.join(str(error).split())}") from None


def _stage(*, focus: Sequence[str] = SEVERAL, **values: Any) -> Stage:
    return Stage(focus=tuple(focus), **values)


class Eyes(nn.Module):
    """Throw-away heads of the vision tower: what each cell shows, where that thing is, and where the cell is."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        sizes = (len(COLORS) + 1, len(SHAPES), STEPS, STEPS, STEPS, GRID, GRID)
        self.heads = nn.ModuleList(nn.Linear(hidden, size) for size in sizes)

    def forward(self, features_BCH: torch.Tensor, labels_BC5: torch.Tensor) -> torch.Tensor:
        """Sum of the mean cross-entropies."""
        places = torch.arange(GRID * GRID).expand(features_BCH.shape[0], -1)
        targets = (*labels_BC5.unbind(-1), places // GRID, places % GRID)
        losses = [
            F.cross_entropy(head(features_BCH).flatten(0, 1), target.flatten())
            for head, target in zip(self.heads, targets, strict=True)
        ]
        return torch.stack(losses).sum()


class Pretraining:
    """The stages, an optimizer each; `run` resumes from its last checkpoint."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self.recipe = recipe
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer = build_tokenizer(corpus())
        self.model = build_model(self.tokenizer, recipe.seed)
        self.eyes = Eyes(self.model.lm_head.in_features)
        self.processor = build_image_processor()
        self.teacher = Teacher(self.tokenizer, recipe.seed)
        self.head_positions = self._positions()

    def run(self) -> None:
        """Train to the end, a log line every 25 steps and a checkpoint every 100."""
        for number, stage in enumerate(self.recipe.stages):
            self._train(number, stage)
        save(self.model, self.tokenizer, PROMPTS, self.folder / "model")

    def _train(self, number: int, stage: Stage) -> None:
        optimizer = self._optimizer()
        first = self._restore(number, stage, optimizer)
        started, seen = time.monotonic(), []
        for step in range(first, stage.steps):
            rate = self._rate(stage, step)
            for group in optimizer.param_groups:
                group["lr"] = rate
            lessons = self._lessons(number, stage, step)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss, parts = self._whole_loss(lessons, stage.vision) if stage.whole else self._eye_loss(lessons)
            loss.backward()
            nn.utils.clip_grad_norm_([*self.model.parameters(), *self.eyes.parameters()], 1.0)
            optimizer.step()
            optimizer.zero_grad()
            seen.append(parts)
            if (step + 1) % 25 == 0 or step + 1 == stage.steps:
                means = {key: round(float(np.mean([p[key] for p in seen])), 4) for key in seen[0]}
                line = {"stage": stage.name, "step": step + 1, **means, "lr": rate}
                self._log({**line, "time": round(time.monotonic() - started, 1)})
                seen.clear()
            if (step + 1) % 100 == 0 or step + 1 == stage.steps:
                self._checkpoint(number, step + 1, optimizer)

    def _lessons(self, number: int, stage: Stage, step: int) -> list[Lesson]:
        first = (number if stage.lessons is None else stage.lessons) * _LESSONS_A_STAGE + step * self.recipe.batch
        progress = step / stage.horizon
        return [self.teacher.lesson(first + i, stage, progress) for i in range(self.recipe.batch)]

    def _eye_loss(self, lessons: Sequence[Lesson]) -> tuple[torch.Tensor, dict[str, float]]:
        loss = self.eyes(self._look(lessons), self._cells(lessons))
        return loss, {"eyes": loss.item()}

    def _whole_loss(self, lessons: Sequence[Lesson], vision: bool) -> tuple[torch.Tensor, dict[str, float]]:
        with torch.set_grad_enabled(vision):
            features_BCH = self._look(lessons)
            eyes = self.eyes(features_BCH, self._cells(lessons))
        trees = [TokenTree.build(lesson.sequences) for lesson in lessons]
        packed = PackedTrees.pack(trees, self.tokenizer.pad_token_id)
        embeds_BLH = self.model.get_input_embeddings()(packed.ids_BL)
        is_image = packed.ids_BL == self.model.config.image_token_id
        embeds_BLH = embeds_BLH.masked_scatter(is_image[..., None], features_BCH.to(embeds_BLH.dtype))
        hidden_BLH = self.model.model.language_model(
            inputs_embeds=embeds_BLH,
            attention_mask={"full_attention": packed.mask_B1LL},
            position_ids=self.head_positions[:, packed.depth_BL],
            use_cache=False,
        ).last_hidden_state
        rows: list[int] = []
        parents: list[int] = []
        targets: list[int] = []
        weights: list[float] = []
        for row, (tree, lesson) in enumerate(zip(trees, lessons, strict=True)):
            for path, start, weight in zip(tree.paths, lesson.starts, lesson.weights, strict=True):
                parents.extend(path[start - 1 : -1])
                targets.extend(tree.ids_L[path[start:]])
                weights.extend(weight)
                rows.extend([row] * (len(path) - start))
        logits_NV = self.model.lm_head(hidden_BLH[torch.tensor(rows), torch.tensor(np.array(parents))])
        losses_N = F.cross_entropy(logits_NV, torch.tensor(np.array(targets)), reduction="none")
        weights_N = torch.tensor(weights)
        words = (losses_N * weights_N).sum() / weights_N.sum()
        return words + self.recipe.eye_weight * eyes, {"words": words.item(), "eyes": eyes.item()}

    def _look(self, lessons: Sequence[Lesson]) -> torch.Tensor:
        inputs = self.processor([lesson.image for lesson in lessons], return_tensors="pt")
        features = self.model.model.visual(inputs["pixel_values"], grid_thw=inputs["image_grid_thw"]).pooler_output
        features_BCH: torch.Tensor = features.view(len(lessons), GRID * GRID, -1)
        return features_BCH

    def _cells(self, lessons: Sequence[Lesson]) -> torch.Tensor:
        return torch.from_numpy(np.stack([lesson.cells for lesson in lessons]))

    def _positions(self) -> torch.Tensor:
        """(3, 512) multimodal rotary positions by depth; all the lab's drawings have one grid."""
        ids = torch.tensor([[*self.teacher.lesson(0, self.recipe.stages[-1], 0.0).sequences[0]]])
        ids = F.pad(ids, (0, 512 - ids.shape[1]), value=self.tokenizer.pad_token_id)
        grid = torch.tensor([[1, GRID * MERGE, GRID * MERGE]])
        kinds = (ids == self.model.config.image_token_id).int()
        positions_31D = self.model.model.get_rope_index(ids, mm_token_type_ids=kinds, image_grid_thw=grid)[0]
        positions_3D: torch.Tensor = positions_31D[:, 0]
        return positions_3D

    def _optimizer(self) -> torch.optim.Optimizer:
        parameters = [*self.model.parameters(), *self.eyes.parameters()]
        return torch.optim.AdamW(parameters, weight_decay=self.recipe.weight_decay, betas=(0.9, 0.98))

    def _rate(self, stage: Stage, step: int) -> float:
        warm = min(1.0, (step + 1) / self.recipe.warmup)
        return stage.rate * warm * max(0.02, 1 - step / stage.horizon)

    def _checkpoint(self, number: int, step: int, optimizer: torch.optim.Optimizer) -> None:
        state = {
            "stage": number,
            "step": step,
            "model": self.model.state_dict(),
            "eyes": self.eyes.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        part = self.folder / "checkpoint.part"
        torch.save(state, part)
        part.replace(self.folder / "checkpoint.pt")

    def _restore(self, number: int, stage: Stage, optimizer: torch.optim.Optimizer) -> int:
        """The step to go on from, with weights as they were there; a finished stage has none left."""
        file = self.folder / "checkpoint.pt"
        if not file.exists():
            return 0
        state = torch.load(file, weights_only=True)
        if state["stage"] > number:
            return stage.steps
        self.model.load_state_dict(state["model"])
        self.eyes.load_state_dict(state["eyes"])
        if state["stage"] < number:
            return 0
        optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])

    def _log(self, line: dict[str, object]) -> None:
        with open(self.folder / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def pretrain(folder: Path, recipe: Recipe) -> Qwen2_5_VLForConditionalGeneration:
    """Train (or continue) the tiny VLM in `folder`; its Hugging Face folder is `folder/model`."""
    work = Pretraining(recipe, folder)
    (folder / "recipe.json").write_text(json.dumps(asdict(recipe), indent=2) + "\n")
    work.run()
    return work.model
