"""Every setting once: type, bound, unit, default and where the default comes from.

A preset is a YAML file in `presets/` that names only what it changes. `load_settings`
merges preset, the user's file and `key=value` overrides, and checks the whole before
anything heavy is loaded. Sources: "paper" is arXiv 2511.15661, "official" its published
code, "ours" everything else; docs/results.md says what our defaults reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import yaml
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from visplay.config.moved import moved
from visplay.errors import ConfigError
from visplay.interfaces.advantages import AnyAdvantageEstimator
from visplay.interfaces.component import Section
from visplay.interfaces.loss import AnyPolicyLoss
from visplay.types import Augmentation

Gate = Literal["answered", "balance", "band", "consistent", "needs_image", "new", "plain", "self_check"]
LabelerName = Literal["majority", "augmentations", "weighted", "facts"]
"""A reason not to learn from a question; see `visplay.labeling.gates`."""
Averaging = Literal["sequence", "token", "constant"]


class Sampling(Section):
    """How completions are drawn."""

    temperature: float = Field(1.0, ge=0, le=10, description="0 is greedy decoding (paper, official: 1.0)")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus mass kept (official: 0.99)")
    top_k: int = Field(0, ge=0, description="tokens kept, 0 for all (official votes: 40)")
    max_tokens: int | None = Field(
        None, ge=1, le=16384, description="longest completion, tokens; null: the model's max_new_tokens, else 1024"
    )


class QuestionerSettings(Section):
    """The Questioner phase (ALGORITHM section 2: r = valid * max(0, r_unc - r_div))."""

    steps: int = Field(8, ge=0, description="GRPO steps a phase; 0 leaves the Questioner untrained (paper: 20)")
    images_per_step: int = Field(16, ge=1, description="images a step, one group each (official: 512)")
    group_size: int = Field(8, ge=2, description="G, questions per image (paper, official: 8)")
    votes: int = Field(8, ge=1, description="m, Reasoner answers a question (official: 10)")
    learning_rate: float | None = Field(None, gt=0, le=1, description="its own rate; null: rl.learning_rate")
    kl: float | None = Field(None, ge=0, description="its own weight of the KL to the base; null: rl.kl")
    reward: Literal["paper", "official", "chance_corrected", "format", "random"] = Field(
        "paper",
        description="'chance_corrected' pays for what is above chance and passes gates; 'format', 'random': controls",
    )
    labeler: LabelerName | None = Field(None, description="whose confidence is rewarded; null: silver.labeler")
    gates: tuple[Gate, ...] = Field(
        ("answered",), description='reward "chance_corrected": what a question must pass for its difficulty to count'
    )
    history_size: int = Field(
        0, ge=0, description="questions remembered from earlier steps: what they ask already pays less (paper: 0)"
    )
    history_weight: float = Field(1.0, ge=0, description="price of being asked already, as lambda is within an image")
    diversity_weight: float = Field(1.0, ge=0, description="lambda of r_div (official: 1)")
    diversity_threshold: float = Field(0.5, gt=0, lt=1, description="BLEU distance that joins texts (official: 0.5)")
    diversity_scope: Literal["image", "batch"] = Field("image", description="paper: image; official: batch")
    sampling: Sampling = Field(default_factory=Sampling, description="of the questions it is trained on")
    synthesis_sampling: Sampling | None = Field(
        None, description="of the questions of silver sets and verdicts, which are not trained; null: as sampling"
    )

    @property
    def untrained_sampling(self) -> Sampling:
        """How questions are drawn that the Questioner is not trained on."""
        return self.synthesis_sampling or self.sampling


class SilverSettings(Section):
    """Synthesis: candidate questions, votes, band."""

    images: int | None = Field(None, ge=1, description="images an iteration, drawn without replacement; null for all")
    questions_per_image: int = Field(2, ge=1, description="N, candidate questions per image")
    labeler: Literal["majority", "augmentations", "weighted", "facts"] = Field(
        "majority",
        description="how answers become a silver answer, for the Questioner's reward too (paper: majority)",
    )
    votes: int = Field(8, ge=1, description="m (official: 9)")
    augmentations: tuple[Augmentation, ...] = Field(
        ("plain", "smaller", "dimmer", "darker"),
        min_length=1,
        description='looks at the image that votes are spread over, with every labeler but "majority"',
    )
    fact_lists: int = Field(4, ge=1, description='labeler "facts": lists of what is seen, an image')
    gates: tuple[Gate, ...] = Field(
        ("band",), description="what a voted question must pass to be learned from, in this order (paper: band)"
    )
    band_low: float = Field(0.25, ge=0, le=1, description="least confidence kept (paper 0.25, official 0.3)")
    band_high: float = Field(0.75, ge=0, le=1, description="greatest confidence kept (paper 0.75, official 0.8)")
    chance_corrected: bool = Field(False, description='gate "band": agreement counts above chance')
    most_refusals: float = Field(1.0, ge=0, le=1, description='gate "answered": share of votes that may say "unknown"')
    most_of_one_answer: float = Field(0.5, gt=0, le=1, description='gate "balance": share of the set with one answer')
    no_image_votes: int = Field(4, ge=1, description='gate "needs_image": other images a question is put before')
    most_no_image: float = Field(0.5, ge=0, lt=1, description='gate "needs_image": share of them that may agree')
    check_votes: int = Field(4, ge=1, description='gates "self_check" and "consistent": answers to each question asked')
    most_denied: float = Field(0.5, ge=0, lt=1, description='gate "self_check": share of answers that may contradict')
    most_alike: float = Field(1.0, gt=0, le=1, description='gate "new": share of the set that may ask the same thing')

    @model_validator(mode="after")
    def _band_is_ordered(self) -> SilverSettings:
        if self.band_low > self.band_high:
            raise ValueError(f"band_low {self.band_low} is above band_high {self.band_high}")
        return self


class ReasonerSettings(Section):
    """The Reasoner phase: GRPO on the silver set."""

    steps: int = Field(20, ge=0, description="GRPO steps a phase (paper: 20 at 3B, 10 at 7B)")
    questions_per_step: int = Field(64, ge=1, description="silver questions a step, one group each (official: 512)")
    group_size: int = Field(8, ge=2, description="G, answers a question (paper, official: 8)")
    reward: Literal["silver", "soft", "format", "random"] = Field(
        "silver", description="'soft' is the share of votes that agree; 'format' and 'random' are controls"
    )
    augmentations: tuple[Augmentation, ...] = Field(
        ("plain",),
        min_length=1,
        description="looks at the image to learn on, one a question; harder ones than were voted on teach more",
    )
    trust: bool = Field(False, description="a question counts as much as its silver answer is above chance")
    format_weight: float = Field(0.0, ge=0, le=1, description="share of the format reward (paper 0, official 0.1)")
    overlong_buffer: int = Field(
        0,
        ge=0,
        description="tokens below sampling.max_tokens over which the reward falls by up to 1 (DAPO, arXiv 2503.14476); "
        "0: no penalty",
    )
    sampling: Sampling = Field(default_factory=Sampling, description="of the answers it is trained on")
    vote_sampling: Sampling | None = Field(
        None, description="of votes and lists of facts, which are not trained; null: as sampling"
    )

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
    """One policy update."""

    learning_rate: float = Field(3e-5, gt=0, le=1, description="AdamW; official 1e-6 for 3B and 7B")
    optimizer: Literal["adamw", "adamw_8bit"] = Field("adamw", description="'adamw_8bit': states by bitsandbytes")
    weight_decay: float = Field(0.01, ge=0, description="official: 0.01")
    max_grad_norm: float = Field(1.0, gt=0, description="official: 1.0")
    advantages: AnyAdvantageEstimator = Field(
        default=cast(Any, "group_norm"), description="how rewards become advantages (paper, official: group_norm)"
    )
    loss: AnyPolicyLoss = Field(
        default=cast(Any, "ppo_clip"), description="the policy loss (paper, official: ppo_clip)"
    )
    averaging: Averaging = Field(
        "sequence",
        description="how token losses are averaged: by sequence (GRPO), over all tokens (DAPO), or over a constant, "
        "sampling.max_tokens (Dr. GRPO)",
    )
    dynamic_sampling: int = Field(
        0,
        ge=0,
        description="most extra rounds of sampling a step that replace groups without advantages (DAPO, "
        "arXiv 2503.14476)",
    )
    kl: float = Field(0.01, ge=0, description="weight of the k3 KL to the original base (official: 0.01)")
    entropy: float = Field(0.0, ge=0, le=1, description="weight of the entropy bonus, a token (paper, official: 0)")
    updates_per_step: int = Field(1, ge=1, description="optimizer steps on one batch of rollouts (official: 4)")
    importance_cap: float = Field(
        0.0, ge=0, description="greatest weight that corrects a token for an engine's own arithmetic (TIS: 2); 0: none"
    )
    micro_batch_tokens: int = Field(8192, ge=64, description="tokens of one forward and backward pass")

    @field_validator("importance_cap")
    @classmethod
    def _leaves_equal_tokens_alone(cls, cap: float) -> float:
        if 0 < cap < 1:
            raise ValueError(f"importance_cap {cap} is below 1, the weight of a token without difference")
        return cap


class AcceptanceSettings(Section):
    """Whether an iteration is kept, judged on images that nothing trains on."""

    images: int = Field(
        0, ge=0, description="images held out to judge by without labels, a fifth at most; 0: none (paper)"
    )
    validation_set: Path | None = Field(None, description="labelled items to judge by as well; null: none (paper)")
    questions_per_image: int = Field(2, ge=1, description="the base's questions about each, frozen at the start")
    votes: int = Field(8, ge=1, description="answers to each, at the start and after every iteration")
    trusted: float = Field(1.0, gt=0, le=1, description="confidence from which the base's answer must be kept")
    tolerance: float = Field(
        0.02, ge=0, lt=1, description="fall that does not matter: rejected is what fell, beyond chance, by more"
    )
    patience: int = Field(2, ge=1, description="rejected iterations in a row that end a run")

    @property
    def wanted(self) -> bool:
        """Whether anything is judged."""
        return self.images > 0 or self.validation_set is not None


class EvaluationSettings(Section):
    """What is measured after each iteration; training never reads it."""

    suites: tuple[str, ...] = Field(("easy_vqa", "lab"), description="named suites")
    items_per_suite: int | None = Field(None, ge=1, description="at most so many items a suite, null for all")
    sampled: bool = Field(True, description="also one answer at temperature 1")
    before: bool = Field(True, description="measure the base first (needed for paired differences)")
    pass_k: int = Field(0, ge=0, description="also k answers at temperature 1: is any of them right? 0: not asked")
    pass_items: int | None = Field(None, ge=1, description="items a suite that are asked k times, null for all")
    no_image: bool = Field(False, description="also every question on a blank image: what is right without looking")
    paper_comparison: int = Field(
        0, ge=0, description="questions also labelled by the paper's vote and band, where the truth is known"
    )


class LoraSettings(Section):
    """Adapters, used when `tune` is 'lora' (PEFT)."""

    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        min_length=1,
        description="names of the language model's linear layers that get an adapter",
    )


class VLLMSettings(Section):
    """vLLM in this process, used when `engine` is "vllm"."""

    gpu_memory_utilization: float = Field(
        0.4, gt=0, lt=1, description="share of the GPU's memory that is vLLM's: its weights, passes and KV cache"
    )
    kv_cache_gib: float | None = Field(None, gt=0, description="KV cache, GiB; null: what is left of vLLM's share")
    max_model_len: int | None = Field(
        None, ge=16, description="longest prompt with its answer, tokens; null: the longest that fits"
    )
    sleep: bool = Field(True, description="give the GPU's memory back between calls, for the update")
    logprob_check_completions: int = Field(
        4, ge=1, le=64, description="completions a call that the trainer scores as well"
    )
    logprob_check_tolerance: float | None = Field(
        None,
        gt=0,
        le=1,
        description="mean |difference| of log-probabilities, nats a token, that stops a run; "
        "null: 0.001 in float32, 0.05 in bfloat16",
    )


class ServerSettings(Section):
    """An OpenAI-compatible server of the base model (vLLM, SGLang) that answers in the place of this process."""

    url: str | None = Field(None, pattern=r"^https?://[^\s/]+(/\S*)?$", description="http://host:port; null: no server")
    model: str | None = Field(None, description="name the base is served under; null: the first that is served")
    concurrency: int = Field(64, ge=1, le=4096, description="requests under way at once")
    timeout_s: float = Field(600.0, gt=0, description="longest wait for the answers to one request, seconds")
    wait_s: float = Field(600.0, gt=0, description="longest wait for a server that is starting, seconds")
    retries: int = Field(8, ge=0, le=100, description="further tries of a request that got no answer, or 429 or 5xx")
    adapters: Path | None = Field(None, description="folder that the server reads too, by the same path (tune: lora)")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        # Reading a port checks its range as well.
        if url and urlsplit(url).port == 0:
            raise ValueError("no server listens at port 0")
        return url


class JudgeSettings(Section):
    """An OpenAI-compatible server whose model judges free answers; `visplay eval` takes it, a run does not."""

    url: str = Field(pattern=r"^https?://[^\s/]+(/\S*)?$", description="http://host:port")
    model: str | None = Field(None, description="name of the model; null: the first that is served")
    cache: Path = Field(description="folder of what was judged, shared by all evaluations")
    concurrency: int = Field(8, ge=1, le=4096, description="requests under way at once")
    max_tokens: int = Field(1024, ge=1, le=65536, description="longest reply, tokens; a reasoning model thinks in it")
    timeout_s: float = Field(120.0, gt=0, description="longest wait for one reply, seconds")
    wait_s: float = Field(60.0, gt=0, description="longest wait for a server that is starting, seconds")
    retries: int = Field(5, ge=0, le=100, description="further tries of a request that got no reply, or 429 or 5xx")

    @field_validator("url")
    @classmethod
    def _holds_no_key(cls, url: str) -> str:
        parts = urlsplit(url)
        # It would be shown where the server fails.
        if parts.username is not None or parts.query:
            raise ValueError("holds more than an address; a key goes into VISPLAY_JUDGE_KEY")
        # Reading a port checks its range as well.
        if parts.port == 0:
            raise ValueError("no server listens at port 0")
        return url


class Settings(Section):
    """A whole run."""

    model: str = Field("lab", description="'lab', a folder, or a hub id")
    images: str = Field("easy-vqa", description="'easy-vqa', a folder, or drawings of the lab such as 'lab/single'")
    prompts: Path | None = Field(None, description="YAML file with the roles' wording; null: the model's own or ours")
    iterations: int = Field(3, ge=1, le=100, description="T (paper: 3)")
    seed: int = Field(0, ge=0, lt=2**31)
    tune: Literal["full", "lora"] = Field("full", description="'full' keeps a copy of the weights a role")
    idle: Literal["cpu", "device"] = Field(
        "cpu", description="where copies and optimizer states are that a phase does not use (tune: full)"
    )
    train_vision: bool = Field(False, description="train the vision tower too (only with 'full')")
    min_pixels: int | None = Field(None, ge=1, description="least size of an image, for families that have one")
    max_pixels: int | None = Field(None, ge=1, description="greatest size of an image; null: the model's own")
    trust_remote_code: bool = Field(False, description="run code that comes with the model")
    dtype: Literal["float32", "bfloat16"] = "float32"
    four_bit: bool = Field(False, description="the base in 4-bit NF4 (bitsandbytes); adapters stay in `dtype`")
    gradient_checkpointing: bool = Field(False, description="compute activations twice instead of keeping them")
    device: str = Field("auto", description="'auto', 'cpu', 'cuda', 'cuda:1', …")
    checkpoint_every: int = Field(1, ge=1, description="steps between checkpoints; --resume goes on from the last")
    engine: Literal["transformers", "vllm", "server"] = Field(
        "transformers",
        description="what generates: transformers or vLLM in this process; 'server': its votes are a server's",
    )
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = Field(
        ("tensorboard",), description="what is told of a run's metrics beside metrics.jsonl (docs/metrics.md)"
    )
    generation_batch: int = Field(256, ge=1, description="completions decoded at once (engine: transformers)")
    generation_tokens: int = Field(
        65536,
        ge=64,
        description="tokens of images and prompts read at once, before completions grow (engine: transformers)",
    )
    questioner: QuestionerSettings = Field(default_factory=QuestionerSettings)
    silver: SilverSettings = Field(default_factory=SilverSettings)
    reasoner: ReasonerSettings = Field(default_factory=ReasonerSettings)
    rl: RLSettings = Field(default_factory=RLSettings)
    lora: LoraSettings = Field(default_factory=LoraSettings)
    vllm: VLLMSettings = Field(default_factory=VLLMSettings)
    server: ServerSettings = Field(default_factory=ServerSettings)
    acceptance: AcceptanceSettings = Field(default_factory=AcceptanceSettings)
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Settings:
        trained = info.context is None or info.context["trained"]
        if trained:
            _refuse_untrainable("questioner", self.questioner.sampling, self.questioner.steps, "synthesis_sampling")
            _refuse_untrainable("reasoner", self.reasoner.sampling, self.reasoner.steps, "vote_sampling")
        if self.four_bit and self.tune == "full":
            raise ValueError("four_bit weights cannot be trained; choose tune: lora")
        if self.train_vision and self.tune == "lora":
            raise ValueError("train_vision is for tune: full; adapters lie in the language model")
        if trained and self.server.url and self.tune == "full":
            raise ValueError("server.url: a server cannot follow weights that are trained in full; choose tune: lora")
        if trained and self.server.url and self.server.adapters is None:
            raise ValueError("server.adapters is missing; name a folder that the server reads by the same path")
        if self.engine == "server" and not self.server.url:
            raise ValueError("engine: server needs server.url, such as http://localhost:8000")
        if self.engine == "vllm" and self.four_bit:
            raise ValueError("engine: vllm takes no four_bit base; leave four_bit out, or use engine: transformers")
        return self


def _refuse_untrainable(role: str, sampling: Sampling, steps: int, elsewhere: str) -> None:
    """Refuse sampling that draws training completions from another distribution than the one that is trained."""
    where, advice = f"{role}.sampling", f"and cut the completions that are not trained in {role}.{elsewhere}"
    if steps and sampling.temperature == 0:
        raise ValueError(f"{where}: all completions of temperature 0 are equal, which trains nothing; choose above 0")
    if steps and sampling.top_p < 1:
        raise ValueError(f"{where}: top_p {sampling.top_p:g} cuts the distribution that is trained; set 1, {advice}")
    if steps and sampling.top_k:
        raise ValueError(f"{where}: top_k {sampling.top_k} cuts the distribution that is trained; set 0, {advice}")


def preset_names() -> list[str]:
    """Names of the shipped presets."""
    return sorted(p.name.removesuffix(".yaml") for p in _presets().iterdir() if p.name.endswith(".yaml"))


def load_settings(
    preset: str | None = "default",
    overrides: Iterable[str] = (),
    values: Mapping[str, Any] | None = None,
    *,
    trained: bool = True,
) -> Settings:
    """Settings of a preset (a shipped name or a YAML file), then `values`, then `overrides`.

    Args:
        preset: None for the defaults of this file.
        overrides: texts like `rl.learning_rate=3e-5`; the value is read as YAML.
        values: top-level settings already parsed, such as those of command-line flags.
        trained: False where nobody trains the model, so that a server has nothing to follow.
    Raises:
        ConfigError: an unknown preset or key, or a value out of its bounds.
    """
    merged = {} if preset is None else _read_preset(preset)
    for key, value in (values or {}).items():
        merged[key] = value
    for text in overrides:
        _apply_override(merged, text)
    return check_settings(merged, f"preset {preset}" if preset else "settings", trained=trained)


def check_settings(values: Mapping[str, Any], where: str, *, trained: bool = True) -> Settings:
    """Validate a nested mapping; every problem is named in one line."""
    if old := moved(values):
        raise ConfigError(f"{where}: {old}")
    try:
        return Settings.model_validate(values, context={"trained": trained})
    except ValidationError as error:
        raise ConfigError(f"{where}: {_problems(error)}") from None


def judge_settings(url: str, model: str | None, cache: Path) -> JudgeSettings:
    """Settings of a judge, checked.

    Raises:
        ConfigError: the address is none, or holds a key.
    """
    try:
        return JudgeSettings(url=url, model=model, cache=cache)
    except ValidationError as error:
        raise ConfigError(f"--judge: {_problems(error)}") from None


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in e['loc']) or 'settings'}: {e['msg'].removeprefix('Value error, ')}"
        for e in error.errors()
    )


def dump_settings(settings: Settings) -> str:
    """YAML that `visplay evolve --preset FILE` reads back to the same settings."""
    text: str = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return text


def _presets() -> Any:
    return resources.files("visplay.config") / "presets"


def _read_preset(preset: str) -> dict[str, Any]:
    path = Path(preset)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise ConfigError(f"no preset file {preset}")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"cannot read {preset} as UTF-8 text") from None
    elif preset in preset_names():
        text = (_presets() / f"{preset}.yaml").read_text(encoding="utf-8")
    else:
        raise ConfigError(f"no preset '{preset}'; choose one of {', '.join(preset_names())} or a .yaml file")
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{preset} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{preset} must hold a mapping of settings")
    return values


def _apply_override(values: dict[str, Any], text: str) -> None:
    key, separator, raw = text.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"'{text}' is not key=value, for example rl.learning_rate=3e-5")
    *sections, name = key.strip().split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"'{key}': '{section}' is a value, not a section")
    try:
        value = yaml.safe_load(raw)
    except yaml.YAMLError:
        raise ConfigError(f"'{text}': the value is not valid YAML") from None
    # YAML 1.1 reads 3e-5 as a string; numbers are meant as numbers.
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value)
    values[name] = value
