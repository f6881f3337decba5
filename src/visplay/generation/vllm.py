"""Generation with vLLM in this process: one vLLM for all roles, which follows their weights.

An adapter is handed over as a LoRA request, anew whenever its role's version has grown; weights that are trained in
full are copied into the running engine whenever another role speaks, or the same one with newer weights. Whether that
worked is proved on every call, see `logprob_check.py`.

Left out: a model cut over several GPUs, and 4-bit weights.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoImageProcessor
from transformers.core_model_loading import revert_weight_conversion
from transformers.utils.hub import cached_file

from visplay.config import Settings
from visplay.errors import EngineError
from visplay.generation.engine import grouped_by_image
from visplay.generation.logprob_check import GeneratedSample, check_logprobs
from visplay.generation.sampling import request_seed, scored_temperature
from visplay.generation.settings import VLLMSettings
from visplay.interfaces.engine import Sampling
from visplay.models.policy import LoraPolicy, Policy
from visplay.models.vlm import VLM
from visplay.types import Completion, Request

# LoRA ranks that vLLM has room for.
_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
_MOST_PICTURES = 16  # of one prompt
# The least that vLLM's attention on CPUs takes; on GPUs it is 16 by itself.
_CPU_BLOCK = 32
# Of a request's completion 0; vLLM adds a completion's index, and takes 64 bits with a sign.
_SEED_BITS = 62
# By how much vLLM lets a token's logit be lowered: e^-100 is never drawn.
_BANNED = -100.0
# Log-probabilities of one token differ by so much, on average, from rounding alone.
_TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}


@dataclass(frozen=True, slots=True)
class _Adapter:
    version: int
    request: Any


class VLLM:
    """A running vLLM with the base's weights, which takes up those of a role as needed.

    Attributes:
        processed: whether its log-probabilities are those after temperature and cuts, which training at a temperature
            other than 1 needs; else those of the model at temperature 1.
    Raises:
        EngineError: vLLM cannot run this model here.
    """

    def __init__(self, base: VLM, settings: Settings, backend: VLLMSettings) -> None:
        # In this process, so that weights need not travel; the trainer's threads stay where they are.
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        from vllm import LLM
        from vllm.platforms import current_platform

        trained = (settings.questioner.sampling, settings.reasoner.sampling)
        self.processed = any(scored_temperature(sampling) != 1 for sampling in trained)
        self._folder = TemporaryDirectory(prefix="visplay-vllm-")
        self._numbers = count(1)
        self._adapters: dict[Policy, _Adapter] = {}
        self._loaded: tuple[Policy, int] | None = None
        self._base = base
        on_cpu = current_platform.is_cpu()
        self._sleeps = not on_cpu and backend.sleep
        lora = settings.tune == "lora"
        try:
            self.llm: Any = LLM(
                str(_model_folder(base, Path(self._folder.name) / "model")),
                dtype=settings.dtype,
                seed=settings.seed,
                trust_remote_code=settings.trust_remote_code,
                gpu_memory_utilization=backend.gpu_memory_utilization,
                kv_cache_memory_bytes=_bytes(backend.kv_cache_gib),
                max_model_len=backend.max_model_len or -1,
                enable_prefix_caching=True,
                block_size=_CPU_BLOCK if on_cpu else None,
                enforce_eager=on_cpu,
                # vLLM would put each of several processes' engines on the first GPU; this one goes by LOCAL_RANK.
                distributed_executor_backend="external_launcher" if _one_of_several() else None,
                # A prompt cut in two draws its random number twice, which vLLM cannot take back on a CPU.
                enable_chunked_prefill=False if on_cpu else None,
                enable_sleep_mode=self._sleeps,
                enable_lora=lora,
                max_lora_rank=_rank(settings.lora.rank) if lora else _RANKS[0],
                max_loras=2,
                logprobs_mode="processed_logprobs" if self.processed else "raw_logprobs",
                limit_mm_per_prompt={"image": _MOST_PICTURES, "video": 0},
                generation_config="vllm",
                disable_log_stats=False,
            )
        except (ValueError, RuntimeError, OSError, ImportError, NotImplementedError, AssertionError) as error:
            raise EngineError(f"vLLM cannot run '{base.name}': {_one_line(error)}; use engine: transformers") from None

    @contextmanager
    def awake(self) -> Iterator[Any]:
        """The `vllm.LLM`, for the length of a `with` block; outside of one its memory is free for an update."""
        if self._sleeps:
            self.llm.wake_up()
        try:
            yield self.llm
        finally:
            if self._sleeps:
                self.llm.sleep(level=1)

    def take_up(self, policy: Policy) -> Any:
        """Have the present weights of a role; to be called awake.

        Returns:
            the LoRA request to speak through, None where the weights themselves are the role's.
        """
        if isinstance(policy, LoraPolicy):
            return self._adapter(policy)
        # The base is there from the start, until another role's weights take its place.
        is_base = policy.vlm is self._base and self._loaded is None
        if not is_base and self._loaded != (policy, policy.version):
            self._load(policy)
        return None

    def prefix_hits(self) -> float:
        """Share of all prompt tokens so far whose keys and values were there already."""
        found = {m.name: float(m.value) for m in self.llm.get_metrics() if m.name.startswith("vllm:prefix_cache_")}
        return found["vllm:prefix_cache_hits"] / max(1.0, found["vllm:prefix_cache_queries"])

    def close(self) -> None:
        """Give all of its memory back, so that another vLLM can be made; closing it again does nothing.

        In a run of several processes it stays until the process ends: with itself it would end the group they are in.
        """
        if self.llm is not None and not _one_of_several():
            self.llm.llm_engine.engine_core.shutdown()
            self.llm = None
            # vLLM's parts know one another, so that only the collector frees them.
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self._folder.cleanup()

    def _adapter(self, policy: LoraPolicy) -> Any:
        known = self._adapters.get(policy)
        if known is None or known.version != policy.version:
            from vllm.lora.request import LoRARequest

            if known is not None:
                self.llm.llm_engine.remove_lora(known.request.lora_int_id)
                shutil.rmtree(known.request.lora_path)
            number = next(self._numbers)
            folder = Path(self._folder.name) / f"adapter-{number}"
            policy.save(folder)
            known = _Adapter(policy.version, LoRARequest(f"{policy.role}-{number}", number, str(folder)))
            self._adapters[policy] = known
            self.llm.reset_prefix_cache()
        return known.request

    def _load(self, policy: Policy) -> None:
        self._loaded = None
        try:
            self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": _checkpoint(policy.model)})
        except (ValueError, RuntimeError, KeyError, NotImplementedError, AssertionError) as error:
            raise EngineError(f"vLLM does not take the {policy.role}'s weights: {_one_line(error)}") from None
        # What was computed with other weights: keys and values, and what a vision tower saw.
        self.llm.reset_prefix_cache()
        self.llm.llm_engine.reset_encoder_cache()
        self._loaded = (policy, policy.version)


class VLLMEngine:
    """A role's voice in a running vLLM.

    A completion is drawn from a stream of its own, as elsewhere; but vLLM computes what it finds in a batch, so the
    same (seed, request id, index) gives the same text only as far as rounding does not decide.

    Args:
        seed: of the run; each request's streams are derived from it and the request's id.
    Attributes:
        difference: of the last call's proof, nats a token; None before the first.
    """

    def __init__(self, policy: Policy, vllm: VLLM, settings: Settings, backend: VLLMSettings) -> None:
        self.policy = policy
        self.vllm = vllm
        self.seed = settings.seed
        self.difference: float | None = None
        self._proofs = backend.logprob_check_completions
        self._tolerance = backend.logprob_check_tolerance or _TOLERANCE[settings.dtype]

    def metrics(self) -> dict[str, float]:
        """For a run's metrics: the last proof's difference, nats a token; the share of prompts found in a cache."""
        return {"logprob_check": self.difference or 0.0, "prefix_hits": self.vllm.prefix_hits()}

    def close(self) -> None:
        """End the vLLM, which is that of all roles."""
        self.vllm.close()

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """See `Engine.generate`. A completion's `token_ids` include the end-of-text token that finished it.

        Raises:
            EngineError: vLLM refused, or its weights, prompts or images are not the trainer's.
            OSError: an image cannot be read.
        """
        if not requests:
            return {}
        asked = grouped_by_image(requests)
        with self.vllm.awake() as llm:
            outputs = self._outputs(llm, asked, sampling)
        found = {r.id: self._completions(r, output) for r, output in zip(asked, outputs, strict=True)}
        spoken = [
            GeneratedSample(
                request,
                tuple(output.prompt_token_ids),
                completion,
                scored_temperature(sampling, request.greedy) if self.vllm.processed else 1.0,
            )
            for request, output in zip(asked, outputs, strict=True)
            for completion in found[request.id]
        ]
        # The trainer cannot reproduce log-probabilities after a cut; a cut is never trained, see `Settings`.
        if not (self.vllm.processed and (sampling.top_k or sampling.top_p < 1)):
            # Evenly from the whole batch.
            self.difference = check_logprobs(self.policy, spoken[:: -(-len(spoken) // self._proofs)], self._tolerance)
        return {request.id: found[request.id] for request in requests}

    def _outputs(self, llm: Any, requests: Sequence[Request], sampling: Sampling) -> list[Any]:
        adapter = self.vllm.take_up(self.policy)
        prompts = [self._prompt(request) for request in requests]
        parameters = [self._parameters(request, sampling) for request in requests]
        try:
            outputs: list[Any] = llm.generate(prompts, parameters, lora_request=adapter, use_tqdm=False)
        except ValueError as error:
            raise EngineError(f"vLLM refused a request: {_one_line(error)}; see engine.max_model_len") from None
        return outputs

    def _prompt(self, request: Request) -> dict[str, Any]:
        """The trainer's tokens with one placeholder an image, which vLLM widens; `prove` compares what came of it."""
        vlm, parts = self.policy.vlm, request.image.parts
        chat = vlm.processor.chat(vlm.without_markup(request.prompt), len(parts))
        ids = vlm.tokenizer(chat, add_special_tokens=False)["input_ids"]
        return {"prompt_token_ids": ids, "multi_modal_data": {"image": [part.load() for part in parts]}}

    def _parameters(self, request: Request, sampling: Sampling) -> Any:
        from vllm import SamplingParams

        vlm = self.policy.vlm
        greedy = request.greedy or sampling.temperature == 0
        return SamplingParams(
            n=1 if greedy else request.n,
            temperature=0.0 if greedy else sampling.temperature,
            top_p=1.0 if greedy else sampling.top_p,
            top_k=0 if greedy else sampling.top_k,
            seed=request_seed(self.seed, request.id, _SEED_BITS),
            max_tokens=sampling.max_tokens or vlm.max_new_tokens,
            stop_token_ids=list(vlm.eos_ids),
            logit_bias=dict.fromkeys(vlm.placeholder_ids, _BANNED),
            logprobs=0,  # of the drawn tokens alone
            detokenize=False,
        )

    def _completions(self, request: Request, output: Any) -> tuple[Completion, ...]:
        drawn = sorted(output.outputs, key=lambda one: one.index)
        # One greedy answer stands for all.
        each = drawn if len(drawn) == request.n else drawn * request.n
        return tuple(self._completion(request, index, one) for index, one in enumerate(each))

    def _completion(self, request: Request, index: int, drawn: Any) -> Completion:
        ids = tuple(drawn.token_ids)
        logprobs = tuple(found[i].logprob for i, found in zip(ids, drawn.logprobs, strict=True))
        finished = drawn.finish_reason == "stop"
        return Completion(request.id, index, ids, logprobs, self.policy.vlm.decode(ids), finished)


def _one_of_several() -> bool:
    """Whether this process shares a run with others."""
    return torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1


def _model_folder(base: VLM, folder: Path) -> Path:
    """The base's own files, but the trainer's tokenizer and way with images.

    So bounds of their size hold here too. The class that prepares them is named, and registered in the place of its
    cousin for torchvision, which vLLM would take and which resizes a little differently.
    """
    folder.mkdir()
    base.processor.save(folder)
    images = base.processor.image_processor
    AutoImageProcessor.register(
        type(base.model.config), image_processor_classes={"torchvision": type(images)}, exist_ok=True
    )
    named = images.to_dict() | {"image_processor_type": type(images).__name__}
    (folder / "preprocessor_config.json").write_text(json.dumps(named), encoding="utf-8")
    whole = folder / "processor_config.json"
    if whole.exists():
        values = json.loads(whole.read_text(encoding="utf-8"))
        if "image_processor" in values:
            whole.write_text(json.dumps(values | {"image_processor": named}), encoding="utf-8")
    config = cached_file(base.name, "config.json")
    assert config is not None
    for file in Path(config).parent.iterdir():
        if not (folder / file.name).exists():
            (folder / file.name).symlink_to(file.resolve())
    return folder


def _checkpoint(model: Any) -> Iterable[tuple[str, torch.Tensor]]:
    """A model's tensors under the names that its files have, which are those that vLLM reads.

    Tied ones are among them, which files leave out: vLLM packs the head for a CPU, and would keep the one it had.
    """
    named: dict[str, torch.Tensor] = revert_weight_conversion(model, model.state_dict())
    return named.items()


def _rank(rank: int) -> int:
    """The least room that vLLM has for adapters of such a rank."""
    fitting = [room for room in _RANKS if room >= rank]
    if not fitting:
        raise EngineError(f"vLLM takes adapters of rank {_RANKS[-1]} at most; lower lora.rank ({rank})")
    return fitting[0]


def _bytes(gib: float | None) -> int | None:
    return None if gib is None else int(gib * 2**30)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
