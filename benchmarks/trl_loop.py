"""One iteration of VisPlay as a good engineer would write it on TRL and transformers in an afternoon.

GRPOTrainer trains both roles; the Questioner's reward function and the silver set call `generate` of the
Reasoner. Prompts, parsing, answers and rewards are visplay's own functions, so both loops ask and pay
alike; sizes and settings are those of a `visplay.config.Settings`. Of TRL's defaults, those that cost
time are off: gradient checkpointing (the model is tiny), bfloat16 (visplay's loop is float32 too),
logging and saving. The vision tower is frozen, as in visplay's loop.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from datasets import Dataset, Features, Image, Value
from transformers import PrinterCallback
from trl import GRPOConfig, GRPOTrainer

from benchmarks.image_processor import load_processor
from benchmarks.shapes import load_plain
from visplay.answers import extract_boxed, is_refusal, vote
from visplay.config import Settings
from visplay.data.augmentations import augmented
from visplay.interfaces.engine import Sampling
from visplay.labeling.gates.band import Band
from visplay.labeling.labelers.majority import Majority
from visplay.models.names import model_name
from visplay.rl.losses.ppo_clip import PPOClip
from visplay.rl.rewards.accuracy import reasoner_reward
from visplay.rl.rewards.difficulty import difficulty, in_band
from visplay.rl.rewards.diversity import diversity
from visplay.roles.prompts import Prompts
from visplay.roles.questioner import parse_question
from visplay.types import Augmentation, ImageRef

# Sequences of one forward and backward pass, and of one call of `generate`. On a CPU anything from 16 to 256,
# and from 64 to 512, takes the same time within the noise.
TRAIN_ROWS = 64
GENERATE_ROWS = 256

_TURN = [{"role": Value("string"), "content": Value("string")}]


def _paper_reward(confidence: float | None, share: float) -> float:
    """The paper's reward of the Questioner; None where there was no valid question."""
    return 0.0 if confidence is None else max(0.0, difficulty(confidence) - share)


@dataclass(frozen=True, slots=True)
class Silver:
    """A question with the answer that most votes gave it."""

    image: ImageRef
    question: str
    answer: str


@dataclass(slots=True)
class Report:
    """What an iteration did, to be held against the other loop."""

    completions: int = 0
    kept: int = 0
    questioner_rewards: list[float] = field(default_factory=list)
    reasoner_rewards: list[float] = field(default_factory=list)


class TrlLoop:
    """Both roles, trained on TRL."""

    def __init__(self, settings: Settings, prompts: Prompts) -> None:
        self.settings = settings
        self.prompts = prompts
        self.folder = model_name(settings.model)
        self.processor: Any = load_processor(self.folder)
        self.questioner = self._model()
        self.reasoner = self._model()
        self.max_tokens = int(self.questioner.generation_config.max_new_tokens)
        self.eos_id = self.processor.tokenizer.eos_token_id
        self.report = Report()

    def iterate(self, images: Sequence[ImageRef]) -> Report:
        """Questioner phase, silver set, Reasoner phase."""
        torch.manual_seed(self.settings.seed)
        order = np.random.default_rng(self.settings.seed).permutation(len(images))
        shuffled = [images[i] for i in order]
        self.train_questioner(shuffled)
        silver = self.make_silver_set(shuffled[: self.settings.silver.images])
        self.report.kept = len(silver)
        self.train_reasoner(silver)
        return self.report

    def train_questioner(self, images: Sequence[ImageRef]) -> None:
        """G questions per image, rewarded for being hard and varied, judged by the Reasoner's votes."""
        settings = self.settings.questioner
        features = Features(prompt=_TURN, image=Image(), row=Value("int64"))
        data = {
            "prompt": [[{"role": "user", "content": self.prompts.questioner}]] * len(images),
            "image": [_encoded(image) for image in images],
            "row": list(range(len(images))),
        }

        def reward(completions: Any, completion_ids: list[list[int]], row: list[int], **_: Any) -> list[float]:
            rows = [images[i] for i in row]
            texts = [turns[0]["content"] for turns in completions]
            ended = [ids[-1] == self.eos_id for ids in completion_ids]
            self.report.completions += len(texts)
            found = self.question_rewards(rows, texts, ended)
            self.report.questioner_rewards += found
            return found

        group, rows = settings.group_size, settings.images_per_step * settings.group_size
        args = self._config(settings.steps, rows, group, settings.sampling)
        self._train(self.questioner, reward, args, Dataset.from_dict(data, features))

    def question_rewards(self, images: list[ImageRef], texts: list[str], ended: list[bool]) -> list[float]:
        """The paper's reward of each question; those of one image stand together."""
        settings = self.settings.questioner
        parsed = [parse_question(text) if whole else None for text, whole in zip(texts, ended, strict=True)]
        valid = [i for i, question in enumerate(parsed) if question is not None]
        words = [question[1] if question is not None else text for question, text in zip(parsed, texts, strict=True)]
        votes = self.votes([images[i] for i in valid], [words[i] for i in valid], settings.votes, ("plain",))
        confidence = dict(zip(valid, (vote(given)[1] for given in votes), strict=True))
        shares: list[float] = []
        for start in range(0, len(words), settings.group_size):
            group = words[start : start + settings.group_size]
            shares += diversity(group, settings.diversity.weight, settings.diversity.threshold)
        return [_paper_reward(confidence.get(i), shares[i]) for i in range(len(words))]

    def make_silver_set(self, images: Sequence[ImageRef]) -> list[Silver]:
        """Questions on every image, majority votes; answers that decline and the band decide what is kept."""
        settings = self.settings.silver
        asked = self.generate(
            self.questioner,
            [image.load() for image in images],
            [self.prompts.questioner] * len(images),
            settings.questions_per_image,
            self.settings.questioner.untrained_sampling,
        )
        questions: dict[tuple[str, str], tuple[ImageRef, str]] = {}
        for image, texts in zip(images, asked, strict=True):
            for text in texts:
                parsed = parse_question(text) if text is not None else None
                if parsed is not None:
                    questions.setdefault((image.id, parsed[1].lower()), (image, parsed[1]))
        rows, words = [p for p, _ in questions.values()], [text for _, text in questions.values()]
        silver = []
        labeler = settings.labeler
        assert isinstance(labeler, Majority)
        low, high = next((gate.low, gate.high) for gate in settings.gates if isinstance(gate, Band))
        votes = self.votes(rows, words, settings.votes, labeler.augmentations)
        for image, text, given in zip(rows, words, votes, strict=True):
            answer, confidence, _ = vote(given)
            if answer is None or is_refusal(answer):
                continue
            if in_band(confidence, low, high):
                silver.append(Silver(image, text, answer))
        return silver

    def train_reasoner(self, silver: Sequence[Silver]) -> None:
        """G answers a silver question, rewarded for agreeing with the silver answer."""
        settings = self.settings.reasoner
        features = Features(prompt=_TURN, image=Image(), silver=Value("string"))
        data = {
            "prompt": [[{"role": "user", "content": self.prompts.answer(item.question)}] for item in silver],
            "image": [_encoded(item.image) for item in silver],
            "silver": [item.answer for item in silver],
        }

        def reward(completions: Any, silver: list[str], **_: Any) -> list[float]:
            texts = [turns[0]["content"] for turns in completions]
            self.report.completions += len(texts)
            pairs = zip(texts, silver, strict=True)
            found = [reasoner_reward(text, answer) for text, answer in pairs]
            self.report.reasoner_rewards += found
            return found

        rows = min(settings.questions_per_step, len(silver)) * settings.group_size
        args = self._config(settings.steps, rows, settings.group_size, settings.sampling)
        self._train(self.reasoner, reward, args, Dataset.from_dict(data, features))

    def votes(
        self, images: Sequence[ImageRef], questions: Sequence[str], count: int, augmentations: Sequence[Augmentation]
    ) -> list[list[str | None]]:
        """Boxed answers of the Reasoner to each question, `count` in all, spread over augmentations."""
        share, rest = divmod(count, len(augmentations))
        found: list[list[str | None]] = [[] for _ in questions]
        prompts = [self.prompts.answer(question) for question in questions]
        for place, augmentation in enumerate(augmentations[:count]):
            loaded = [augmented(image, augmentation).load() for image in images]
            sampling = self.settings.reasoner.untrained_sampling
            texts = self.generate(self.reasoner, loaded, prompts, share + (place < rest), sampling)
            for answers, given in zip(found, texts, strict=True):
                answers += [extract_boxed(text) if text is not None else None for text in given]
        return found

    def generate(
        self, model: Any, images: Sequence[Any], prompts: Sequence[str], count: int, sampling: Sampling
    ) -> list[list[str | None]]:
        """`count` texts for each prompt on its image; None for those that did not end by themselves."""
        model.eval()
        found: list[list[str | None]] = [[] for _ in prompts]
        # Prompts of one length together, so that little is padding.
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        for part in _parts(order, max(1, GENERATE_ROWS // count)):
            chats: Any = [
                [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompts[i]}]}] for i in part
            ]
            texts = self.processor.apply_chat_template(chats, add_generation_prompt=True, tokenize=False)
            inputs = self.processor(images=[images[i] for i in part], text=texts, padding=True, return_tensors="pt")
            with torch.inference_mode():
                sequences = model.generate(
                    **inputs,
                    do_sample=True,
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    top_k=sampling.top_k,
                    max_new_tokens=sampling.max_tokens or self.max_tokens,
                    num_return_sequences=count,
                )
            completions = sequences[:, inputs["input_ids"].shape[1] :]
            ended = (completions == self.eos_id).any(1).tolist()
            decoded = self.processor.batch_decode(completions, skip_special_tokens=True)
            for row, (text, whole) in enumerate(zip(decoded, ended, strict=True)):
                found[part[row // count]].append(text if whole else None)
        self.report.completions += len(prompts) * count
        return found

    def _model(self) -> Any:
        model = load_plain(self.folder)
        model.base_model.visual.requires_grad_(False)
        return model

    def _config(self, steps: int, rows: int, group: int, sampling: Sampling) -> GRPOConfig:
        """A phase of `steps` optimizer steps on `rows` completions each, in micro-batches of equal size."""
        rl, loss = self.settings.rl, self.settings.rl.loss
        assert isinstance(loss, PPOClip)
        at_once = max(size for size in range(1, TRAIN_ROWS + 1) if rows % size == 0)
        return GRPOConfig(
            output_dir=tempfile.gettempdir(),
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            seed=self.settings.seed,
            max_steps=steps,
            per_device_train_batch_size=at_once,
            gradient_accumulation_steps=rows // at_once,
            num_generations=group,
            max_completion_length=sampling.max_tokens or self.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            learning_rate=rl.learning_rate,
            lr_scheduler_type="constant",
            weight_decay=rl.weight_decay,
            max_grad_norm=rl.max_grad_norm,
            beta=rl.kl,
            epsilon=loss.clip_low,
            epsilon_high=loss.clip_high,
            loss_type={"sequence": "grpo", "token": "dapo", "constant": "dr_grpo"}[rl.averaging],
        )

    def _train(self, model: Any, reward: Any, args: GRPOConfig, dataset: Dataset) -> None:
        trainer = GRPOTrainer(
            model=model, reward_funcs=reward, args=args, train_dataset=dataset, processing_class=self.processor
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()


def _encoded(image: ImageRef) -> dict[str, Any]:
    return {"bytes": image.data, "path": None}


def _parts(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
