"""Make the lab's tiny VLM, whose weights are shipped with the package: `python scripts/pretrain_tiny_vlm.py --out DIR`.

The model is transformers' own Qwen2.5-VL class with a small configuration and its own tokenizer, so it takes the code
path of Qwen2.5-VL-3B: the same chat markup, image placeholders, multimodal rotary positions and processor, at
64 × 64 pixels.

Stages: first the vision tower alone predicts, for each 8 × 8 cell, the colour and shape it shows and where it is (by a
linear head, `Eyes`, which is not kept). Then the whole model learns questions and answers, several per image, packed as
a token tree so that the image is encoded once; the loss of the vision tower is kept. Images show one thing at first,
then up to three. AdamW, with a learning rate annealed to zero.

Shapes: B images, L packed tokens, C cells of an image, H hidden, N scored tokens, V vocabulary, D depths.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from visplay.errors import ConfigError
from visplay.lab.draw import SIZE, STYLES, draw, mixed, outline
from visplay.lab.language import TEMPLATES, Kind, Noun, Query, question_type, write
from visplay.lab.oracle import SIZE_GAP, answer, matching
from visplay.lab.questions import careless_query, random_query
from visplay.lab.scene import COLORS, SHAPES, Scene, Thing, random_scene
from visplay.models.token_tree import PackedTrees, TokenTree

PATCH = 4
MERGE = 2
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
_MARKS = ("<think>", "</think>", "<type>", "</type>", "<question>", "</question>", "\\boxed{")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer in which every word of `texts` is one token."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(SPECIAL),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    core.add_tokens([AddedToken(mark, normalized=False, special=False) for mark in _MARKS])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=[t for t in SPECIAL if t not in ("<|im_end|>", "<|endoftext|>")],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
    )


def build_image_processor() -> Qwen2VLImageProcessorPil:
    """Any image becomes about 64 × 64 pixels, its aspect ratio kept: at most 64 image tokens."""
    return Qwen2VLImageProcessorPil(
        size={"shortest_edge": SIZE * SIZE, "longest_edge": SIZE * SIZE},
        patch_size=PATCH,
        merge_size=MERGE,
        temporal_patch_size=2,
    )


def build_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen2_5_VLForConditionalGeneration:
    """The tiny VLM with random weights, float32."""
    ids: dict[str, Any] = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 192,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 3,
            "num_key_value_heads": 1,
            "max_position_embeddings": 1024,
            "tie_word_embeddings": True,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [8, 12, 12]},
            "bos_token_id": None,
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
        },
        vision_config={
            "depth": 4,
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_heads": 2,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "window_size": SIZE,
            "fullatt_block_indexes": [0, 1, 2, 3],
            "out_hidden_size": 192,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        eos_token_id=ids["<|im_end|>"], pad_token_id=ids["<|endoftext|>"], max_new_tokens=48
    )
    return model


def save(
    model: Qwen2_5_VLForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    prompts: str,
    folder: Path,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write a Hugging Face folder: weights (half precision), tokenizer, processor, wording."""
    state = {name: tensor.to(dtype) for name, tensor in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=state)
    config = json.loads((folder / "config.json").read_text())
    config["dtype"] = str(dtype).removeprefix("torch.")
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tokenizer.save_pretrained(folder)
    build_image_processor().save_pretrained(folder)
    (folder / "prompts.yaml").write_text(prompts)


CELL = 8
GRID = SIZE // CELL
_LESSONS_A_STAGE = 10_000_000
ASK = "ask a question."
UNKNOWN = "unknown"
_SMALL_AREA = 0.0125
# Asked how many shapes there are, the tiny VLM names them all before it counts.
PROMPTS = f'questioner: "{ASK}"\nreasoner: "{{question}}"\nfacts: "how many shapes are there?"\nlearned: true\n'

_KINDS: tuple[Kind, ...] = tuple(TEMPLATES)
# Shares of the question kinds; relations and sizes are twofold or fourfold and so divided.
_SHARES: dict[Kind, float] = {
    "color": 0.22, "shape": 0.16, "exists": 0.12, "absent": 0.10, "count": 0.14, "more": 0.08,
    "left": 0.03, "right": 0.03, "above": 0.03, "below": 0.03, "bigger": 0.03, "smaller": 0.03,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training with a learning-rate schedule of its own.

    Attributes:
        whole: train the whole model on questions; otherwise the eyes alone.
        steps: steps taken; the rate falls linearly from `rate` as if to zero after `horizon` steps.
        questions, asks: sequences per image for the Reasoner and for the Questioner.
        single_until: fraction of the horizon with one thing per image.
        unknown: share of questions that the image does not answer.
        answer_weight: weight of the tokens after the reasoning, against 1 for all others.
        negated: share of "is there no …" among the questions of existence: few first, then as many as of the
            others, since a rule and its opposite at once are hard to learn.
    """

    name: str
    whole: bool
    steps: int
    horizon: int
    rate: float = 1e-3
    questions: int = 6
    asks: int = 2
    single_until: float = 0.0
    unknown: float = 0.1
    answer_weight: float = 2.0
    negated: float = 0.1


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, with the seed."""

    seed: int = 7
    batch: int = 16
    warmup: int = 50
    weight_decay: float = 0.02
    eye_weight: float = 0.3
    stages: tuple[Stage, ...] = (
        Stage("eyes", whole=False, steps=500, horizon=500),
        Stage("words", whole=True, steps=1000, horizon=2000, single_until=0.08),
        Stage("negated", whole=True, steps=600, horizon=600, rate=7e-4, answer_weight=4.0, negated=0.5),
    )


def read_recipe(file: Path) -> Recipe:
    """A recipe from the `recipe.json` that `pretrain` leaves beside its log.

    Raises:
        ConfigError: the file is missing, no JSON, or names what a recipe or stage does not have.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        stages = tuple(Stage(**stage) for stage in values.pop("stages", ()))
        return Recipe(**values, stages=stages) if stages else Recipe(**values)
    except OSError:
        raise ConfigError(f"no recipe file {file}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{file} is no recipe: {' '.join(str(error).split())}") from None


def corpus() -> Iterator[str]:
    """Every word of the lab's language, in the places where it can stand."""
    rng = np.random.default_rng(0)
    for _ in range(3000):
        scene = random_scene(rng, int(rng.integers(1, 4)))
        for kind in _KINDS:
            query = random_query(kind, scene, rng)
            if query is not None:
                yield write(query, rng)
                yield reply(query, scene)
                yield question_text(query, rng)
    yield from [UNKNOWN, ASK, "user\n", "assistant\n", "\n"] * 50


def reply(query: Query, scene: Scene) -> str:
    """What a perfect Reasoner writes: what it sees, what of it the question is about, the boxed answer.

    Things that are compared carry a digit: of ten columns, rows or sizes. A question that the
    scene does not settle is answered "unknown".
    """
    parts = [", ".join(f"{t.color} {t.shape}" for t in scene.things), _named(query, query.noun, scene)]
    if query.other is not None:
        parts.append(_named(query, query.other, scene))
    return f"<think>{'. '.join(parts)}</think>\\boxed{{{answer(query, scene) or UNKNOWN}}}"


def question_text(query: Query, rng: np.random.Generator) -> str:
    """What a Questioner writes."""
    return f"<type>{question_type(query.kind)}</type><question>{write(query, rng)}</question>"


def _named(query: Query, noun: Noun, scene: Scene) -> str:
    return ", ".join(f"{t.color} {t.shape}{_measure(query, t)}" for t in matching(noun, scene)) or "no"


def _measure(query: Query, thing: Thing) -> str:
    """The digit to compare by, fine enough that things whose difference the oracle calls a fact never share one."""
    match query.kind:
        case "left" | "right":
            return f" {int(10 * thing.x)}"
        case "above" | "below":
            return f" {int(10 * thing.y)}"
        case "bigger" | "smaller":
            steps = math.log(thing.area / _SMALL_AREA) / -math.log(1 - SIZE_GAP)
            return f" {min(9, max(0, int(steps)))}"
        case _:
            return ""


def random_ask(scene: Scene, rng: np.random.Generator) -> Query:
    """A question a curious but untrained Questioner would ask: mostly about what is there."""
    kind = _kind(rng)
    if rng.random() < 0.9:
        query = random_query(kind, scene, rng)
        if query is not None:
            return query
    return careless_query(kind, scene, rng)


def _kind(rng: np.random.Generator) -> Kind:
    return _KINDS[rng.choice(len(_KINDS), p=[_SHARES[k] for k in _KINDS])]


def _polarity(kind: Kind, stage: Stage, rng: np.random.Generator) -> Kind:
    if kind not in ("exists", "absent"):
        return kind
    return "absent" if rng.random() < stage.negated else "exists"


def _question(scene: Scene, stage: Stage, rng: np.random.Generator) -> Query:
    """A query for the Reasoner: `stage.unknown` of them without an answer, the others with one."""
    unknown = rng.random() < stage.unknown
    while True:
        kind = _polarity(_kind(rng), stage, rng)
        query = careless_query(kind, scene, rng) if unknown else random_query(kind, scene, rng)
        if query is not None and (answer(query, scene) is None) == unknown:
            return query


@dataclass(frozen=True, slots=True)
class Lesson:
    """One image with its sequences: `starts[i]` is where the completion of `sequences[i]` begins."""

    image: Image.Image
    sequences: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...]
    cells: np.ndarray


class Teacher:
    """Draws lessons; lesson `n` of a seed and stage is always the same."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, recipe: Recipe) -> None:
        self.recipe = recipe
        self.tokenizer = tokenizer
        self._head = self._ids("<|im_start|>user\n<|vision_start|>" + "<|image_pad|>" * GRID**2 + "<|vision_end|>")
        self._turn = "<|im_end|>\n<|im_start|>assistant\n"

    def lesson(self, number: int, stage: Stage, progress: float) -> Lesson:
        """The `number`-th lesson; `progress` in [0, 1] is how far the stage's horizon has come."""
        rng = np.random.default_rng([self.recipe.seed, number])
        count = 1 if progress < stage.single_until else int(rng.choice([1, 2, 3], p=[0.36, 0.32, 0.32]))
        style = STYLES["clean"]
        scene = random_scene(rng, count, sizes=style.sizes)
        image = draw(scene, mixed(style, rng), rng)
        pairs = [(ASK, question_text(random_ask(scene, rng), rng)) for _ in range(stage.asks)]
        for _ in range(stage.questions):
            query = _question(scene, stage, rng)
            pairs.append((write(query, rng), reply(query, scene)))
        sequences, starts = [], []
        for prompt, completion in pairs:
            asked = self._head + self._ids(prompt + self._turn)
            starts.append(len(asked))
            sequences.append(asked + self._ids(completion + "<|im_end|>"))
        return Lesson(image, tuple(sequences), tuple(starts), cells(scene))

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def cells(scene: Scene) -> np.ndarray:
    """(C, 2) int64: colour and shape index of what covers a cell, -100 for the shape of bare ground.

    Colour index len(COLORS) is bare ground.
    """
    owner = Image.new("L", (SIZE, SIZE), 0)
    paint = ImageDraw.Draw(owner)
    for number, thing in enumerate(scene.things, start=1):
        paint.polygon(outline(thing, SIZE), fill=number)
    blocks = np.asarray(owner).reshape(GRID, CELL, GRID, CELL).transpose(0, 2, 1, 3).reshape(GRID * GRID, -1)
    labels = np.full((GRID * GRID, 2), -100, dtype=np.int64)
    labels[:, 0] = len(COLORS)
    for number, thing in enumerate(scene.things, start=1):
        covered = (blocks == number).mean(axis=1) > 0.25
        labels[covered] = COLORS.index(thing.color), SHAPES.index(thing.shape)
    return labels


class Eyes(nn.Module):
    """The throw-away head of the vision tower: colour, shape, row and column of each cell."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.color = nn.Linear(hidden, len(COLORS) + 1)
        self.shape = nn.Linear(hidden, len(SHAPES))
        self.row = nn.Linear(hidden, GRID)
        self.column = nn.Linear(hidden, GRID)

    def forward(self, features_BCH: torch.Tensor, labels_BC2: torch.Tensor) -> torch.Tensor:
        """Sum of the four mean cross-entropies."""
        places = torch.arange(GRID * GRID).expand(features_BCH.shape[0], -1)
        parts = (
            (self.color, labels_BC2[..., 0]),
            (self.shape, labels_BC2[..., 1]),
            (self.row, places // GRID),
            (self.column, places % GRID),
        )
        losses = [F.cross_entropy(head(features_BCH).flatten(0, 1), target.flatten()) for head, target in parts]
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
        self.teacher = Teacher(self.tokenizer, recipe)
        self.head_positions = self._positions()
        self._think_end = self.tokenizer.convert_tokens_to_ids("</think>")

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
            loss, parts = self._whole_loss(lessons, stage) if stage.whole else self._eye_loss(lessons)
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
        first = number * _LESSONS_A_STAGE + step * self.recipe.batch
        progress = step / stage.horizon
        return [self.teacher.lesson(first + i, stage, progress) for i in range(self.recipe.batch)]

    def _eye_loss(self, lessons: Sequence[Lesson]) -> tuple[torch.Tensor, dict[str, float]]:
        loss = self.eyes(self._look(lessons), self._cells(lessons))
        return loss, {"eyes": loss.item()}

    def _whole_loss(self, lessons: Sequence[Lesson], stage: Stage) -> tuple[torch.Tensor, dict[str, float]]:
        features_BCH = self._look(lessons)
        eyes = self.eyes(features_BCH, self._cells(lessons))
        trees = [TokenTree.build(lesson.sequences) for lesson in lessons]
        packed = PackedTrees.pack(trees, self.tokenizer.pad_token_id)
        embeds_BLH = self.model.get_input_embeddings()(packed.ids_BL)
        is_image = packed.ids_BL == self.model.config.image_token_id
        embeds_BLH = embeds_BLH.masked_scatter(is_image[..., None], features_BCH)
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
            for path, start in zip(tree.paths, lesson.starts, strict=True):
                parents.extend(path[start - 1 : -1])
                targets.extend(tree.ids_L[path[start:]])
                weights.extend(self._weights(tree.ids_L[path[start:]], stage))
                rows.extend([row] * (len(path) - start))
        logits_NV = self.model.lm_head(hidden_BLH[torch.tensor(rows), torch.tensor(np.array(parents))])
        losses_N = F.cross_entropy(logits_NV, torch.tensor(np.array(targets)), reduction="none")
        weights_N = torch.tensor(weights)
        words = (losses_N * weights_N).sum() / weights_N.sum()
        return words + self.recipe.eye_weight * eyes, {"words": words.item(), "eyes": eyes.item()}

    def _weights(self, completion: np.ndarray, stage: Stage) -> list[float]:
        thought = completion == self._think_end
        answer = np.cumsum(thought) > 0
        return [float(w) for w in np.where(answer, stage.answer_weight, 1.0)]

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and train; the exit status is 2 where the recipe cannot be used."""
    parser = argparse.ArgumentParser(description="Pretrain the lab's tiny VLM; called again, it continues.")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument("--recipe", type=Path, metavar="FILE.json", help="default: the shipped model's")
    options = parser.parse_args(arguments)
    try:
        pretrain(options.out, read_recipe(options.recipe) if options.recipe else Recipe())
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"the model is in {options.out / 'model'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
