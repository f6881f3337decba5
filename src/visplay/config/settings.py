"""The settings of a run: type, bound, unit, default, and the source of the default.

Sources: "paper" is arXiv 2511.15661, "official" its published code, everything else is ours; docs/results.md says what
our presets reached. Settings of a component, such as a gate, are fields of its class; `visplay components` lists them.
A resumed run takes changes of the settings that are marked `MayChange`, and refuses all others (docs/resuming.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationInfo, field_validator, model_validator

from visplay.config.yaml_file import read_text
from visplay.interfaces.advantages import AdvantageEstimator
from visplay.interfaces.component import Component, MayChange, Section, by_name
from visplay.interfaces.engine import EngineBackend, Sampling
from visplay.interfaces.gate import Gate
from visplay.interfaces.image_source import ImageSource
from visplay.interfaces.labeler import Labeler
from visplay.interfaces.loss import PolicyLoss
from visplay.interfaces.reward import QuestionerReward, ReasonerReward
from visplay.interfaces.suite import SuiteSource
from visplay.interfaces.task_source import TaskSource
from visplay.types import AnswersAre, Augmentation

_Part = TypeVar("_Part", bound=Component)
Averaging = Literal["sequence", "token", "constant"]
# What every chat is rendered with.
_OF_EVERY_CHAT = frozenset(
    "conversation messages chat_template tools documents add_generation_prompt continue_final_message tokenize padding "
    "truncation max_length return_tensors return_dict return_assistant_tokens_mask tokenizer_kwargs "
    "processor_kwargs".split()
)


class DiversitySettings(Section):
    """r_div = weight · |cluster| / G: similar questions of one group are penalised."""

    weight: float = Field(1.0, ge=0, description="lambda of r_div (official: 1)")
    threshold: float = Field(0.5, gt=0, lt=1, description="BLEU distance below which clusters join (official: 0.5)")
    scope: Literal["image", "batch"] = Field("image", description="what is clustered (paper: image; official: batch)")
    count_repeats: bool = Field(False, description="cluster equal texts below four words too, whose own BLEU is < 1")
    invalid_as: Literal["text", "empty"] = Field(
        "text", description="what is clustered of an output without a question (official: empty, like nothing else)"
    )


class QuestionerSettings(Section):
    """The Questioner phase (arXiv 2511.15661, section 3)."""

    steps: int = Field(8, ge=0, description="training steps per phase; 0 leaves the Questioner untrained (paper: 20)")
    bank: tuple[str, ...] = Field(
        (),
        description="fixed questions instead of the Questioner's, or a text file with one on each line; empty: none",
    )
    images_per_step: int = Field(16, ge=1, description="images per step, one group each (official: 512)")
    group_size: int = Field(8, ge=2, description="G, questions per image (paper, official: 8)")
    votes: int = Field(8, ge=1, description="m, Reasoner answers per question (official: 10)")
    learning_rate: MayChange[float | None] = Field(
        None, gt=0, le=1, description="the Questioner's own; null: rl.learning_rate"
    )
    kl: float | None = Field(None, ge=0, description="the Questioner's own KL weight; null: rl.kl")
    reward: QuestionerReward = by_name("paper", "the reward; 'format' and 'random' are controls")
    labeler: Labeler | None = Field(None, description="labeler whose confidence is rewarded; null: silver.labeler")
    gates: tuple[Gate, ...] = by_name(
        ("boxed", "answered"), "gates that a question must pass, for a reward that uses gates"
    )
    diversity: DiversitySettings = Field(default_factory=DiversitySettings)
    history_size: int = Field(0, ge=0, description="earlier questions whose repetition is penalised (paper: 0)")
    history_weight: float = Field(1.0, ge=0, description="weight of that penalty, as diversity.weight within a group")
    sampling: Sampling = Field(default_factory=Sampling, description="of the questions that are trained on")
    synthesis_sampling: Sampling | None = Field(None, description="for silver sets and verdicts; null: `sampling`")

    @field_validator("bank", mode="before")
    @classmethod
    def _from_file(cls, bank: Any) -> Any:
        """The distinct lines of a file that are not blank; a list of questions is left as it is."""
        if not isinstance(bank, (str, Path)):
            return bank
        lines = read_text(Path(bank), "with a question on each line").splitlines()
        questions = dict.fromkeys(line.strip() for line in lines if line.strip())
        if not questions:
            raise ValueError(f"{bank} has no question")
        return tuple(questions)

    @field_validator("gates")
    @classmethod
    def _has_each_gate_once(cls, gates: tuple[Gate, ...]) -> tuple[Gate, ...]:
        return _distinct(gates)

    @model_validator(mode="after")
    def _trains_no_bank(self) -> QuestionerSettings:
        if self.bank and self.steps:
            raise ValueError("a bank of questions is not trained; set steps to 0")
        return self

    @property
    def untrained_sampling(self) -> Sampling:
        """How questions are drawn that the Questioner is not trained on."""
        return self.synthesis_sampling or self.sampling


class AugmentationChoice(Section):
    """Before the first iteration, the best of the silver labeler's augmentations are chosen without labels."""

    keep: int = Field(4, ge=1, description="augmentations that the run goes on with")
    images: int = Field(32, ge=1, description="images that the base asks about to compare them")
    by: Literal["agreement", "logprob"] = Field(
        "agreement",
        description="'agreement': of an augmentation's votes with the majority of the others; 'logprob': how probable "
        "the votes are",
    )


class SilverSettings(Section):
    """Synthesis: candidate questions, silver answers, gates."""

    images: int | None = Field(None, ge=1, description="images per iteration, drawn without replacement; null for all")
    questions_per_image: int = Field(2, ge=1, description="N, candidate questions per image")
    labeler: Labeler = by_name("majority", "how answers become a silver answer, for the Questioner's reward too")
    choose_augmentations: AugmentationChoice | None = Field(
        None, description="choose among the labeler's augmentations without labels; null: use all of them"
    )
    votes: int = Field(8, ge=1, description="m, Reasoner answers per question (official: 9)")
    gates: tuple[Gate, ...] = by_name(
        ("boxed", "band"), "gates that a labelled question must pass, in order (paper: band)"
    )
    tasks: tuple[TaskSource, ...] = Field(
        (), description="sources of further questions; each has a share of the images, and the Questioner the rest"
    )

    @field_validator("gates")
    @classmethod
    def _has_each_gate_once(cls, gates: tuple[Gate, ...]) -> tuple[Gate, ...]:
        return _distinct(gates)

    @model_validator(mode="after")
    def _has_augmentations_to_choose_from(self) -> SilverSettings:
        if self.choose_augmentations and not hasattr(self.labeler, "augmentations"):
            raise ValueError(
                f"choose_augmentations: labeler '{self.labeler.name}' has no augmentations; set it to null"
            )
        return self

    @field_validator("tasks")
    @classmethod
    def _share_the_images(cls, tasks: tuple[TaskSource, ...]) -> tuple[TaskSource, ...]:
        total = sum(source.share for source in tasks)
        if total > 1 + 1e-9:
            raise ValueError(f"the shares of the task sources add up to {total:g}, more than all images; lower them")
        return _distinct(tasks)


class ReasonerSettings(Section):
    """The Reasoner phase: reinforcement learning on the silver set."""

    steps: int = Field(20, ge=0, description="training steps per phase (paper: 20 at 3B, 10 at 7B)")
    questions_per_step: int = Field(64, ge=1, description="silver questions per step, one group each (official: 512)")
    group_size: int = Field(8, ge=2, description="G, answers per question (paper, official: 8)")
    reward: ReasonerReward = by_name("silver", "the reward; 'format' and 'random' are controls")
    advantages: AdvantageEstimator | None = Field(None, description="the Reasoner's own; null: rl.advantages")
    augmentations: tuple[Augmentation, ...] = Field(
        ("plain",),
        min_length=1,
        description="augmentations to train on in turn; harder than the votes' teach more",
    )
    curriculum: Literal["none", "uncertain"] = Field(
        "none",
        description="which silver questions a step draws: 'none': all in turn; 'uncertain': rather those that the "
        "Reasoner answers sometimes, by its votes and later by its newest rewards",
    )
    quota: Literal["none", "skill"] = Field(
        "none",
        description="'skill': the size of a skill or family does not matter for how often it is drawn, and yes is the "
        "answer as often as no; a source that names no skill is one, and its types of questions are the families",
    )
    shuffle_options: bool = Field(
        True,
        description="show the options that a question lists in another order for each vote (paper, official: false)",
    )
    overlong_buffer: int = Field(
        0, ge=0, description="tokens below sampling.max_tokens over which the reward falls by up to 1 (DAPO); 0: off"
    )
    sampling: Sampling = Field(default_factory=Sampling, description="of the answers that are trained on")
    vote_sampling: Sampling | None = Field(None, description="for votes and lists of facts; null: `sampling`")

    @property
    def untrained_sampling(self) -> Sampling:
        """How answers are drawn that the Reasoner is not trained on."""
        return self.vote_sampling or self.sampling

    @model_validator(mode="after")
    def _buffer_has_a_limit(self) -> ReasonerSettings:
        limit = self.sampling.max_tokens
        if self.overlong_buffer and (limit is None or limit < self.overlong_buffer):
            raise ValueError(f"overlong_buffer {self.overlong_buffer} needs a sampling.max_tokens of at least as much")
        return self


class RLSettings(Section):
    """The policy update."""

    learning_rate: MayChange[float] = Field(3e-5, gt=0, le=1, description="of AdamW (official: 1e-6 for 3B and 7B)")
    decay: Literal["none", "linear"] = Field(
        "none", description="'linear': the learning rate falls to nothing over the steps of a phase"
    )
    optimizer: Literal["adamw", "adamw_8bit"] = Field("adamw", description="'adamw_8bit': 8-bit states (bitsandbytes)")
    weight_decay: MayChange[float] = Field(0.01, ge=0, description="weight decay (official: 0.01)")
    max_grad_norm: float = Field(1.0, gt=0, description="norm at which the gradient is clipped (official: 1.0)")
    advantages: AdvantageEstimator = by_name("group_norm", "how rewards become advantages (paper: group_norm)")
    loss: PolicyLoss = by_name("ppo_clip", "the policy loss (paper: ppo_clip)")
    averaging: Averaging = Field(
        "sequence", description="averaging of token losses: per sequence (GRPO), token (DAPO), or max_tokens (Dr. GRPO)"
    )
    dynamic_sampling: int = Field(0, ge=0, description="most extra rounds to replace groups without advantages (DAPO)")
    kl: float = Field(0.01, ge=0, description="weight of the k3 KL to the reference (official: 0.01)")
    kl_target: float | None = Field(
        None,
        gt=0,
        description="KL per token, in nats, towards which each role's weight is adapted from `kl` on; null: fixed "
        "(EvoLMM: 0.02)",
    )
    kl_rate: float = Field(0.1, gt=0, le=10, description="rate of that adaptation (EvoLMM: 0.1)")
    reference: Literal["base", "phase"] = Field(
        "base",
        description="'base': the original one; 'phase': the role as its phase began (official), kept on the disk",
    )
    fresh_optimizer: bool = Field(False, description="forget AdamW's moments when a phase begins (official: true)")
    entropy: float = Field(0.0, ge=0, le=1, description="weight of the entropy bonus per token (paper, official: 0)")
    updates_per_step: int = Field(1, ge=1, description="optimizer updates on one batch of rollouts (official: 4)")
    importance_cap: float = Field(0.0, ge=0, description="cap of truncated importance sampling (TIS); 0: off")
    micro_batch_tokens: MayChange[int] = Field(8192, ge=64, description="tokens of one forward and backward pass")

    def decay_at(self, step: int, steps: int) -> float:
        """What the learning rate of a step is multiplied with; steps count from 0."""
        return 1 - step / steps if self.decay == "linear" else 1.0

    @field_validator("importance_cap")
    @classmethod
    def _leaves_equal_tokens_alone(cls, cap: float) -> float:
        if 0 < cap < 1:
            raise ValueError(f"importance_cap {cap} is below 1, the weight of a token without difference")
        return cap

    @model_validator(mode="after")
    def _adapts_a_weight(self) -> RLSettings:
        if self.kl_target is not None and self.kl == 0:
            raise ValueError("kl_target adapts the weight of the KL penalty, and a kl of 0 stays 0; set kl above 0")
        return self


class AcceptanceSettings(Section):
    """Whether an iteration is accepted or rolled back; judged on images that nothing trains on."""

    images: int = Field(0, ge=0, description="images held out to judge by, at most a fifth of all; 0: none (paper)")
    validation_set: Path | None = Field(None, description="file of labelled items to judge by; null: none (paper)")
    columns: dict[str, str] = Field({}, description="columns of validation_set of other names, as of the suite `file`")
    answers_are: AnswersAre | None = Field(None, description="answers beside options of validation_set, as of `file`")
    questions_per_image: int = Field(2, ge=1, description="the base's frozen questions per held-out image")
    votes: int = Field(8, ge=1, description="answers per frozen question, at the start and after every iteration")
    trusted: float = Field(1.0, gt=0, le=1, description="confidence from which an answer of the base must be kept")
    tolerance: float = Field(
        0.02, ge=0, lt=1, description="an iteration is rejected if the 95 % interval of a change lies below -tolerance"
    )
    patience: int = Field(2, ge=1, description="rejected iterations in a row that end a run")


class EvaluationSettings(Section):
    """What is measured after each iteration; training never reads it."""

    suites: tuple[SuiteSource, ...] = by_name(
        ("easy_vqa", "lab"), "labelled suites; if unset, the lab's for its own model or images, else none"
    )
    endpoints: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="by name, the suites whose mean decides; {}: the mean of all"
    )
    items_per_suite: int | None = Field(None, ge=1, description="the most items per suite; null for all")
    sampled: bool = Field(True, description="also measure one answer at temperature 1")
    before: bool = Field(True, description="measure the base first (needed for paired differences)")
    pass_k: int = Field(0, ge=0, description="also sample k answers and measure whether any is right; 0: off")
    no_image: bool = Field(False, description="also ask every question with a blank image")
    baseline_votes: int = Field(0, ge=0, description="votes per item of the baselines without training; 0: off")
    baseline_items: int | None = Field(
        None, ge=1, description="items per suite for the baselines, shared by the styles of a lab task; null for all"
    )
    paper_comparison: int = Field(
        0, ge=0, description="questions per silver set also labelled by the paper's vote and band, where truth is known"
    )


class LoraSettings(Section):
    """LoRA adapters (PEFT), used when `tune` is 'lora'."""

    rank: int = Field(16, ge=1, description="rank of the adapters")
    alpha: int = Field(32, ge=1, description="scale of the adapters: alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout before the adapters")
    targets: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        min_length=1,
        description="names of the language model's linear layers that get an adapter; 'all-linear': all of them; "
        "'projector': also those between vision tower and language model",
    )

    @field_validator("targets", mode="before")
    @classmethod
    def _one_alone(cls, targets: Any) -> Any:
        return (targets,) if isinstance(targets, str) else targets


class Settings(Section):
    """The settings of a whole run."""

    model: str = Field("lab", description="'lab', a folder, or a hub id")
    images: ImageSource = by_name("easy-vqa", "'easy-vqa', a folder, or drawings of the lab such as 'lab/single'")
    prompts: Path | None = Field(None, description="YAML file with both roles' prompts; null: the model's or ours")
    chat_template: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="arguments of the model's chat template, such as {enable_thinking: false}"
    )
    iterations: int = Field(3, ge=1, le=100, description="T (paper: 3)")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of every random number of the run")
    tune: Literal["full", "lora"] = Field("full", description="'full' trains a copy of the weights per role")
    idle: MayChange[Literal["cpu", "device"]] = Field(
        "cpu", description="where weights and optimizers wait unused (tune: full)"
    )
    train_vision: bool = Field(False, description="train the vision tower too (tune: full)")
    min_pixels: int | None = Field(None, ge=1, description="smallest image size, for families that have one")
    max_pixels: int | None = Field(None, ge=1, description="largest image size; null: the model's own")
    trust_remote_code: bool = Field(
        False, exclude=True, description="run code that comes with the model; only --trust-remote-code says so"
    )
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="type of the weights that compute")
    four_bit: bool = Field(False, description="load the base in 4-bit NF4 (bitsandbytes); adapters stay in `dtype`")
    gradient_checkpointing: MayChange[bool] = Field(False, description="recompute activations in the backward pass")
    device: MayChange[str] = Field(
        "auto", pattern=r"^(auto|(cpu|cuda|mps|xpu)(:\d{1,3})?)$", description="'auto', 'cpu', 'cuda', 'cuda:1', …"
    )
    checkpoint_every: MayChange[int] = Field(
        1, ge=1, description="steps between checkpoints; --resume goes on from the last"
    )
    engine: MayChange[EngineBackend] = by_name("transformers", "the engine that generates what is trained on")
    vote_engine: MayChange[EngineBackend | None] = Field(
        None, description="of all that is not trained on; null: `engine`"
    )
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = Field(
        ("tensorboard",), description="services that get the metrics, beside metrics.jsonl (docs/metrics.md)"
    )
    questioner: QuestionerSettings = Field(default_factory=QuestionerSettings)
    silver: SilverSettings = Field(default_factory=SilverSettings)
    reasoner: ReasonerSettings = Field(default_factory=ReasonerSettings)
    rl: RLSettings = Field(default_factory=RLSettings)
    lora: LoraSettings = Field(default_factory=LoraSettings)
    acceptance: AcceptanceSettings = Field(default_factory=AcceptanceSettings)
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)

    @field_validator("chat_template")
    @classmethod
    def _are_the_templates_own(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        for name in arguments:
            if not name.isidentifier() or name in _OF_EVERY_CHAT:
                raise ValueError(f"'{name[:80]}' is no argument of a model's template; enable_thinking is one")
        return arguments

    @model_validator(mode="after")
    def _measures_what_is_its_own(self, info: ValidationInfo) -> Settings:
        """Leave out the lab's suites that nobody asked for if neither the model nor the images are the lab's."""
        named = "suites" in self.evaluation.model_fields_set and (info.context is None or info.context["own_suites"])
        if not (named or self.model == "lab" or self.images.is_lab):
            # The section is frozen for others.
            self.__dict__["evaluation"] = self.evaluation.model_copy(update={"suites": (), "endpoints": {}})
        return self

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Settings:
        trained = info.context is None or info.context["trained"]
        if trained:
            _refuse_untrainable("questioner", self.questioner.sampling, self.questioner.steps, "synthesis_sampling")
            _refuse_untrainable("reasoner", self.reasoner.sampling, self.reasoner.steps, "vote_sampling")
        if self.four_bit and self.tune == "full":
            raise ValueError("four_bit weights cannot be trained; choose tune: lora")
        if self.train_vision and self.tune == "lora":
            raise ValueError("train_vision is for tune: full; adapters are in the language model")
        if trained and not self.engine.trainable:
            raise ValueError(
                f"engine: completions of '{self.engine.name}' cannot be trained on; use engine: transformers and "
                f"vote_engine: {self.engine.name}"
            )
        for backend in (self.engine, self.vote_engine):
            if backend is not None:
                backend.check_run(self, trained)
        for labeler in (self.silver.labeler, self.questioner.labeler):
            if labeler is not None:
                labeler.check_run(self)
        return self


def _distinct(parts: tuple[_Part, ...]) -> tuple[_Part, ...]:
    """The components; metrics are by their names, so none may be there twice."""
    names = [part.name for part in parts]
    for part in parts:
        if names.count(part.name) > 1:
            raise ValueError(f"{part.seam.replace('_', ' ')} '{part.name}' is there twice")
    return parts


def _refuse_untrainable(role: str, sampling: Sampling, steps: int, elsewhere: str) -> None:
    """Refuse sampling that draws training completions from another distribution than the one that is trained."""
    where, advice = f"{role}.sampling", f"and cut the completions that are not trained on in {role}.{elsewhere}"
    if steps and sampling.temperature == 0:
        raise ValueError(f"{where}: all completions of temperature 0 are equal, which trains nothing; choose above 0")
    if steps and sampling.top_p < 1:
        raise ValueError(f"{where}: top_p {sampling.top_p:g} cuts the distribution that is trained; set 1, {advice}")
    if steps and sampling.top_k:
        raise ValueError(f"{where}: top_k {sampling.top_k} cuts the distribution that is trained; set 0, {advice}")
