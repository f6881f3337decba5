"""A plan as lines of text, every figure with its unit, and its conclusion."""

from __future__ import annotations

from collections.abc import Iterator

from visplay.tools.plan.plan import RESERVED, Plan
from visplay.tools.plan.workload import limits_of, total

_WIDTH = 34
_ROLES = {"questions": "questioner", "answers": "reasoner"}


def plan_lines(plan: Plan) -> Iterator[str]:
    """The whole plan, its conclusion last."""
    yield f"{plan.name}, {plan.settings.dtype}, tune={plan.settings.tune}"
    yield from (f"  {name:{_WIDTH}} {figure}" for name, figure in _model(plan))
    yield ""
    yield "memory, when every answer is as long as it may get"
    yield from (f"  {name:{_WIDTH}} {figure}" for name, figure in _memory(plan))
    yield ""
    yield "an iteration, estimated"
    yield from _iteration(plan)
    yield ""
    yield conclusion(plan)


def conclusion(plan: Plan) -> str:
    """One line: that it fits and what is left, or what to change."""
    memory = f"{plan.processes} × {_size(plan.memory)}" if plan.processes > 1 else _size(plan.memory)
    held = plan.standing + plan.model.gradients
    advice = []
    if plan.vllm and plan.vllm_tokens < plan.longest:
        share = "gpu_memory_utilization" if plan.vllm.kv_cache_gib is None else "kv_cache_gib"
        needed = f"a prompt with its answer may have {plan.longest:,} tokens"
        advice = [f"vLLM has room for {plan.vllm_tokens:,} tokens, and {needed}; raise engine.{share}"]
    elif plan.fits:
        return f"fits in {memory} with {_size(plan.free)} free"
    elif held >= plan.usable:
        advice = [f"weights and states alone take {_size(held)}; {_lighter(plan)}"]
    else:
        if plan.update_bytes > plan.usable:
            advice.append(f"the update takes {_size(plan.update_bytes)}: {_smaller_update(plan)}")
        if plan.rollout_bytes > plan.usable:
            smaller = _smaller_vllm(plan) if plan.vllm else _smaller_rollout(plan)
            advice.append(f"the rollout takes {_size(plan.rollout_bytes)}: {smaller}")
    return f"does not fit in {memory}: {'; '.join(advice)}"


def _lighter(plan: Plan) -> str:
    if plan.settings.tune == "full":
        return "set tune=lora" if plan.settings.idle == "cpu" else "set idle=cpu, or tune=lora"
    if plan.settings.dtype == "float32":
        return "set dtype=bfloat16"
    return "take a larger device" if plan.settings.four_bit else "set four_bit=true, or take a larger device"


def _smaller_vllm(plan: Plan) -> str:
    """What vLLM may take of what the trainer leaves it."""
    left = plan.usable - plan.standing - plan.vllm_asleep
    if left <= plan.model.base:
        return "vLLM's weights have no room beside the trainer's; set engine=transformers"
    if plan.vllm and plan.vllm.kv_cache_gib is None:
        return f"set engine.gpu_memory_utilization={100 * left // plan.memory / 100:g}"
    return f"set engine.kv_cache_gib={10 * (left - plan.model.base) // 2**30 / 10:g}"


def _smaller_rollout(plan: Plan) -> str:
    if not plan.fitting.tokens:
        return "an image with its prompts alone is too long; set max_pixels"
    parts = []
    if max(peak.prefill for *_, peak in plan.rollouts) > plan.usable - plan.standing:
        parts.append(f"engine.tokens={plan.fitting.tokens}")
    if not plan.fitting.answers:
        parts.append("shorter answers, max_tokens")
    elif plan.fitting.answers < limits_of(plan.settings).answers:
        parts.append(f"engine.batch={plan.fitting.answers}")
    return f"set {' and '.join(parts)}"


def _smaller_update(plan: Plan) -> str:
    fitting = plan.fitting_micro_batch
    if fitting >= plan.group:
        return f"set rl.micro_batch_tokens={fitting}"
    if not plan.settings.gradient_checkpointing:
        return "set gradient_checkpointing=true"
    for_answers = fitting - plan.assumed.most_image_tokens - plan.assumed.prompt_tokens
    trained = [generation for generation, _ in plan.costs if generation.trained]
    limits = {g: for_answers // (1 if plan.model.padded_because else g.answers) for g in trained}
    if min(limits.values()) < 1:
        return "an image with its prompt alone is too long; set max_pixels"
    shorter = [f"{_ROLES[g.name]}.sampling.max_tokens={limit}" for g, limit in limits.items() if limit < g.limit]
    return f"set {' and '.join(shorter)}, since a group of {plan.group:,} tokens is never cut"


def _model(plan: Plan) -> Iterator[tuple[str, str]]:
    model = plan.model
    yield "parameters", f"{model.total:,}"
    yield "  decoder, without embeddings", f"{model.decoder:,}"
    yield "  vision tower", f"{model.vision:,}"
    yield "trained, a role", f"{model.trainable:,} ({model.trainable / model.total:.1%})"
    if model.without_adapter:
        yield "linear layers without an adapter", ", ".join(model.without_adapter)
    reason = model.padded_because
    yield "path", f"padded path: {reason}" if reason else "token trees, if the run's probe agrees"
    yield "attention", "dense mask" if model.dense else "FlexAttention, if it runs on the device"


def _memory(plan: Plan) -> Iterator[tuple[str, str]]:
    model, settings = plan.model, plan.settings
    yield "weights of the base", _size(model.base)
    yield f"{'copies' if settings.tune == 'full' else 'adapters'} of both roles", _size(model.roles)
    if plan.held:
        yield "reference of a phase", _size(plan.held)
    whose = ("one role" if plan.away else "both roles") + (", a share" if plan.processes > 1 else "")
    yield f"{settings.rl.optimizer} states of {whose}", _size(plan.states)
    if plan.away:
        yield "  the other's, in CPU memory", _size(plan.away)
    yield "what was seen in images", _size(plan.features)
    yield "gradients of one role", _size(model.gradients)
    if plan.group:
        what = f"{plan.micro_batch:,} tokens; the largest group has {plan.group:,}"
        if plan.group > settings.rl.micro_batch_tokens:
            what = f"{plan.group:,} tokens: a group, which is never cut; rl.micro_batch_tokens is less"
        yield "activations of a micro-batch", f"{_size(plan.activations)} ({what})"
    if plan.vllm:
        room = f"its keys and values: {plan.vllm_tokens:,} tokens at most"
        yield "vLLM while it generates", f"{_size(plan.vllm_awake)} ({room})"
        yield "  while the trainer computes", _size(plan.vllm_asleep)
        if plan.vllm.sleep:
            yield "  its weights then, in CPU memory", _size(model.base)
    else:
        generation, batch, peak = max(plan.rollouts, key=lambda rollout: rollout[2].total)
        what = f"{batch.all_answers:,} answers on {batch.tokens:,} tokens of images and prompts"
        yield f"rollout of {generation.name}", f"{_size(peak.total)} ({what})"
        yield "  keys and values", _size(peak.cache)
        yield "  reading images and prompts", _size(peak.prefill)
        yield "  a decoding step", _size(peak.step)
    yield "peak of the rollout", _size(plan.rollout_bytes)
    yield "peak of the update", _size(plan.update_bytes)
    yield "set aside for driver and allocator", _size(RESERVED)
    yield "largest rl.micro_batch_tokens", f"{plan.fitting_micro_batch:,} tokens"
    if not plan.vllm:
        yield "largest engine.batch", f"{plan.fitting.answers:,} answers"
        yield "largest engine.tokens", f"{plan.fitting.tokens:,} tokens"


def _iteration(plan: Plan) -> Iterator[str]:
    a, everything = plan.assumed, total([cost for _, cost in plan.costs])
    rows = [(generation.name, generation.all_answers, cost) for generation, cost in plan.costs]
    yield f"{'':{_WIDTH}}{'answers':>10}{'written':>12}{'read':>12}{'trained on':>12}{'PFLOP':>10}{'GPU-hours':>11}"
    for name, answers, cost in [*rows, ("together", sum(answers for _, answers, _ in rows), everything)]:
        tokens = "".join(f"{value:>12,.0f}" for value in (cost.generated, cost.read, cost.trained))
        yield f"  {name:{_WIDTH - 2}}{answers:>10,}{tokens}{cost.flops / 1e15:>10,.1f}{cost.hours:>11,.2f}"
    if plan.processes > 1:
        yield f"  {plan.processes} GPUs at once take {everything.hours / plan.processes:,.2f} hours"
    yield (
        f"assumed: {a.image_tokens:,.0f} tokens per image (most {a.most_image_tokens:,}), {a.prompt_tokens} a prompt; "
        f"means of {a.question_tokens} a question, {a.answer_tokens} an answer, {a.list_tokens} a list, "
        f"{a.record_tokens} a record, or its limit; "
        f"{a.tflops:g} TFLOP/s reached; at least {a.step_ms:g} ms a decoding step"
    )


def _size(size: int) -> str:
    if size < 10**8:
        return f"{size / 1e6:,.1f} MB"
    return f"{size / 1e9:,.2f} GB" if size < 10**10 else f"{size / 1e9:,.1f} GB"
