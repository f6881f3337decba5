"""Generation with vLLM in this process: one instance for all roles, which is kept in sync with their weights.

An adapter is passed as a LoRA request, written anew when its version has changed. With full fine-tuning, the weights
are copied into the instance when another role generates or the version has changed. Every call checks the result, see
`logprob_check.py`. Left out: tensor parallelism, and 4-bit weights.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoImageProcessor
from transformers.core_model_loading import revert_weight_conversion
from transformers.utils.hub import cached_file

from visplay.config import Settings
from visplay.distributed.loopback import LOOPBACK
from visplay.errors import EngineError, UnreadableImage, one_line
from visplay.generation.batching import grouped_by_image
from visplay.generation.logprob_check import GeneratedSample, check_logprobs
from visplay.generation.sampling import request_seed, scored_temperature
from visplay.interfaces.engine import Sampling
from visplay.models.policy import LoraPolicy, Policy
from visplay.models.vlm import VLM
from visplay.types import Completion, Request

# Values of vLLM's max_lora_rank.
_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
_MAX_IMAGES = 16  # per prompt
# Smallest block size of vLLM's attention on CPUs; on GPUs the default is 16.
_CPU_BLOCK = 32
# vLLM adds the index of the completion to a request's seed, and seeds are signed 64-bit integers.
_SEED_BITS = 62
# Lowest logit bias that vLLM accepts; a token with probability e^-100 is never drawn.
_BANNED_LOGIT_BIAS = -100.0
# Mean difference of log-probabilities, nats per token, that rounding explains.
_TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}


class VLLM:
    """A vLLM instance, by the settings of a `VLLMBackend`, that starts with the base and loads a role on demand.

    `processed` says that its log-probabilities are those after temperature, top-k and top-p, which training at a
    temperature other than 1 needs; else those at temperature 1. Raises EngineError if vLLM cannot run the model.
    """

    def __init__(self, base: VLM, settings: Settings, backend: Any) -> None:
        # In this process, so that weights need no transfer; without binding the trainer's threads to cores.
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        if not _is_distributed():
            os.environ.update(LOOPBACK)  # it makes process groups of its own
        from vllm import LLM
        from vllm.platforms import current_platform

        trained = (settings.questioner.sampling, settings.reasoner.sampling)
        self.processed = any(scored_temperature(sampling) != 1 for sampling in trained)
        self._folder = TemporaryDirectory(prefix="visplay-vllm-")
        self._adapter_ids = count(1)
        # The version of each role's adapter that was written last, and vLLM's name of it.
        self._adapters: dict[Policy, tuple[int, Any]] = {}
        # Whose weights vLLM has, and their version; None after a failure.
        self._loaded: tuple[VLM, int] | None = (base, 0)
        on_cpu = current_platform.is_cpu()
        self._sleeps = not on_cpu and backend.sleep
        rank = settings.lora.rank if settings.tune == "lora" else 0
        if rank > _RANKS[-1]:
            raise EngineError(f"vLLM supports adapters up to rank {_RANKS[-1]}; lower lora.rank ({rank})")
        try:
            self.llm: Any = LLM(
                str(_model_folder(base, Path(self._folder.name) / "model")),
                dtype=settings.dtype,
                seed=settings.seed,
                trust_remote_code=settings.trust_remote_code,
                gpu_memory_utilization=backend.gpu_memory_utilization,
                kv_cache_memory_bytes=int(backend.kv_cache_gib * 2**30) if backend.kv_cache_gib else None,
                max_model_len=backend.max_model_len or -1,
                enable_prefix_caching=True,
                block_size=_CPU_BLOCK if on_cpu else None,
                enforce_eager=on_cpu,
                # The default executor uses the first GPU in every process; this one uses GPU LOCAL_RANK.
                distributed_executor_backend="external_launcher" if _is_distributed() else None,
                # A chunked prompt draws its random number twice, which vLLM cannot undo on a CPU.
                enable_chunked_prefill=False if on_cpu else None,
                enable_sleep_mode=self._sleeps,
                enable_lora=rank > 0,
                max_lora_rank=min(limit for limit in _RANKS if limit >= rank),
                max_loras=2,
                logprobs_mode="processed_logprobs" if self.processed else "raw_logprobs",
                limit_mm_per_prompt={"image": _MAX_IMAGES, "video": 0},
                generation_config="vllm",
                disable_log_stats=False,
            )
        except (ValueError, RuntimeError, OSError, ImportError, NotImplementedError, AssertionError) as error:
            raise EngineError(f"vLLM cannot run '{base.name}': {one_line(error)}; use engine: transformers") from None

    @contextmanager
    def wake(self) -> Iterator[Any]:
        """Context manager: the `vllm.LLM`, awake. Outside of it, GPU memory is free for an update (`sleep`)."""
        if self._sleeps:
            self.llm.wake_up()
        try:
            yield self.llm
        finally:
            if self._sleeps:
                self.llm.sleep(level=1)

    def sync_weights(self, policy: Policy) -> Any:
        """Load the current weights of a role, inside `wake`; returns the LoRA request of an adapter, else None."""
        if isinstance(policy, LoraPolicy):
            return self._adapter(policy)
        if self._loaded != (policy.vlm, policy.version):
            self._reload_weights(policy)
        return None

    def close(self) -> None:
        """Free all memory, so that another instance can be made. Closing twice is allowed."""
        # With several processes it stays to the end, because its shutdown would destroy the run's process group.
        if self.llm is not None and not _is_distributed():
            self.llm.llm_engine.engine_core.shutdown()
            self.llm = None
            gc.collect()  # vLLM's objects have reference cycles
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self._folder.cleanup()

    def _adapter(self, policy: LoraPolicy) -> Any:
        version, request = self._adapters.get(policy, (-1, None))
        if version != policy.version:
            from vllm.lora.request import LoRARequest

            if request is not None:
                self.llm.llm_engine.remove_lora(request.lora_int_id)
                shutil.rmtree(request.lora_path)
            number = next(self._adapter_ids)
            folder = Path(self._folder.name) / f"adapter-{number}"
            policy.save(folder)
            request = LoRARequest(f"{policy.role}-{number}", number, str(folder))
            self._adapters[policy] = policy.version, request
            self.llm.reset_prefix_cache()
        return request

    def _reload_weights(self, policy: Policy) -> None:
        self._loaded = None
        try:
            self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": _named_weights(policy.model)})
        except (ValueError, RuntimeError, KeyError, NotImplementedError, AssertionError) as error:
            raise EngineError(f"vLLM cannot load the {policy.role}'s weights: {one_line(error)}") from None
        # Both caches were computed with the old weights.
        self.llm.reset_prefix_cache()
        self.llm.llm_engine.reset_encoder_cache()
        self._loaded = policy.vlm, policy.version


class VLLMEngine:
    """Samples from a policy by a shared vLLM instance.

    The random stream of a completion depends on (seed, request id, index), as in other engines. But vLLM's batches
    change the rounding, so the same stream can give another text. `logprob_difference` is the result of the last
    logprob check, nats per token; None before the first.
    """

    def __init__(self, policy: Policy, vllm: VLLM, settings: Settings, backend: Any) -> None:
        self.policy = policy
        self.vllm = vllm
        self.seed = settings.seed
        self.logprob_difference: float | None = None
        self._checked_completions = backend.logprob_check_completions
        self._tolerance = backend.logprob_check_tolerance or _TOLERANCE[settings.dtype]

    def metrics(self) -> dict[str, float]:
        """See `Engine.metrics`: the last logprob check, and the share of prompt tokens found in the prefix cache."""
        counts = {m.name.removeprefix("vllm:prefix_cache_"): m for m in self.vllm.llm.get_metrics()}
        share = counts["hits"].value / max(1, counts["queries"].value)
        return {"logprob_check": self.logprob_difference or 0.0, "prefix_hits": share}

    def close(self) -> None:
        """Close the vLLM instance, for all roles."""
        self.vllm.close()

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """See `Engine.generate`. A completion's `token_ids` include the end-of-text token that finished it.

        Raises:
            EngineError: vLLM refused a request, or its weights, prompts or images differ from the trainer's.
        """
        if not requests:
            return {}
        found: dict[str, tuple[Completion, ...]] = {request.id: () for request in requests}
        asked, prompts = [], []
        for request in grouped_by_image(requests):
            with suppress(UnreadableImage):
                prompts.append(self._prompt(request))
                asked.append(request)
        if not asked:
            return found
        parameters = [self._parameters(request, sampling) for request in asked]
        with self.vllm.wake() as llm:
            adapter = self.vllm.sync_weights(self.policy)
            try:
                outputs = llm.generate(prompts, parameters, lora_request=adapter, use_tqdm=False)
            except ValueError as error:
                raise EngineError(f"vLLM refused a request: {one_line(error)}; see engine.max_model_len") from None
        samples: list[GeneratedSample] = []
        for request, output in zip(asked, outputs, strict=True):
            found[request.id] = self._completions(request, output)
            temperature = scored_temperature(sampling, request.greedy) if self.vllm.processed else 1.0
            prompt = tuple(output.prompt_token_ids)
            # A schema bans tokens that the trainer's log-probabilities know of.
            if not request.schema:
                samples += [GeneratedSample(request, prompt, c, temperature) for c in found[request.id]]
        # The trainer cannot reproduce log-probabilities after top-k or top-p; `Settings` refuses to train on them.
        if samples and not (self.vllm.processed and (sampling.top_k or sampling.top_p < 1)):
            evenly = samples[:: -(-len(samples) // self._checked_completions)]
            self.logprob_difference = check_logprobs(self.policy, evenly, self._tolerance)
        return {request.id: found[request.id] for request in requests}

    def _prompt(self, request: Request) -> dict[str, Any]:
        """Token ids with one placeholder per image, which vLLM expands; the logprob check compares the result."""
        vlm, parts = self.policy.vlm, request.image.parts
        chat = vlm.processor.chat(vlm.without_markup(request.prompt), len(parts), request.image.placed)
        ids = vlm.tokenizer(chat, add_special_tokens=False)["input_ids"]
        return {"prompt_token_ids": ids, "multi_modal_data": {"image": [part.load() for part in parts]}}

    def _parameters(self, request: Request, sampling: Sampling) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        vlm = self.policy.vlm
        greedy = request.greedy or sampling.temperature == 0
        return SamplingParams(
            n=1 if greedy else request.n,
            temperature=0.0 if greedy else sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            seed=request_seed(self.seed, request.id, _SEED_BITS),
            max_tokens=sampling.max_tokens or vlm.max_new_tokens,
            stop_token_ids=list(vlm.eos_ids),
            logit_bias=dict.fromkeys(vlm.placeholder_ids, _BANNED_LOGIT_BIAS),
            logprobs=0,  # of the drawn tokens alone
            detokenize=False,
            # A schema leaves no room for the thought that a chat template begins.
            structured_outputs=(
                StructuredOutputsParams(json=request.schema) if request.schema and not vlm.begun_thought else None
            ),
        )

    def _completions(self, request: Request, output: Any) -> tuple[Completion, ...]:
        drawn = sorted(output.outputs, key=lambda sequence: sequence.index)
        drawn *= request.n // len(drawn)  # all greedy answers are equal
        completions = []
        for index, sequence in enumerate(drawn):
            ids = tuple(sequence.token_ids)
            logprobs = tuple(found[i].logprob for i, found in zip(ids, sequence.logprobs, strict=True))
            finished = sequence.finish_reason == "stop"
            completions.append(
                Completion(request.id, index, ids, logprobs, self.policy.vlm.completion_text(ids), finished)
            )
        return tuple(completions)


def _is_distributed() -> bool:
    return torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1


def _model_folder(base: VLM, folder: Path) -> Path:
    """A model folder for vLLM: links to the base's files, with the trainer's tokenizer and limits of image sizes.

    The torchvision image processor would resize a little differently, so the trainer's is registered in its place.
    """
    folder.mkdir()
    base.processor.save(folder)
    images = base.processor.image_processor
    classes = {"torchvision": type(images)}
    AutoImageProcessor.register(type(base.model.config), image_processor_classes=classes, exist_ok=True)
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


def _named_weights(model: Any) -> Iterable[tuple[str, torch.Tensor]]:
    """A model's tensors under their names in checkpoint files, which vLLM's loader expects.

    Tied weights are included, although files leave them out: on a CPU vLLM repacks the head, so it needs a new one.
    """
    named: dict[str, torch.Tensor] = revert_weight_conversion(model, model.state_dict())
    return named.items()
