"""A plan as lines of text, every figure with its unit, and its conclusion."""

from __future__ import annotations

from collections.abc import Iterator

from visplay.tools.plan.memory import VLLMShare
from visplay.tools.plan.plan import RESERVED, Plan
from visplay.tools.plan.workload import Work, limits_of, total

_WIDTH = 34
_SHARES = {True: "gpu_memory_utilization", False: "kv_cache_gib"}
_ROLES = {"questions": "questioner", "answers": "reasoner"}


def plan_lines(plan: Plan) -> Iterator[str]:
    """The whole plan, its conclusion last."""
    yield from _model(plan)
    yield ""
    yield from _memory(plan)
    yield ""
    yield from _iteration(plan)
    yield ""
    yield conclusion(plan)


def conclusion(plan: Plan) -> str:
    """One line: that it fits and what is left, or what to change."""
    memory = f"{plan.processes} × {_size(plan.memory)}" if plan.processes > 1 else _size(plan.memory)
    if plan.vllm and plan.vllm.tokens < _longest(plan):
        return f"does not fit in {memory}: {_larger_share(plan, plan.vllm)}"
    if plan.free >= 0:
        return f"fits in {memory} with {_size(plan.free)} free"
    if plan.standing.update >= plan.usable:
        held = _size(plan.standing.update)
        return f"does not fit in {memory}: weights and states alone take {held}; {_lighter(plan)}"
    advice = []
    if plan.update_bytes > plan.usable:
        advice.append(f"the update takes {_size(plan.update_bytes)}: {_smaller_update(plan)}")
    if plan.rollout_bytes > plan.usable:
        advice.append(f"the rollout takes {_size(plan.rollout_bytes)}: {_smaller_rollout(plan)}")
    return f"does not fit in {memory}: {'; '.join(advice)}"


def _lighter(plan: Plan) -> str:
    if plan.settings.tune == "full":
        return "set tune=lora" if plan.settings.idle == "cpu" else "set idle=cpu, or tune=lora"
    if plan.settings.dtype == "float32":
        return "set dtype=bfloat16"
    return "take a larger device" if plan.settings.four_bit else "set four_bit=true, or take a larger device"


def _longest(plan: Plan) -> int:
    """Tokens of the longest prompt with its answer."""
    prompt = plan.assumed.most_image_tokens + plan.assumed.prompt_tokens
    return prompt + max((asking.limit for asking, _, _ in plan.rollouts), default=0)


def _larger_share(plan: Plan, share: VLLMShare) -> str:
    raised = f"raise engine.{_SHARES[plan.vllm_backend.kv_cache_gib is None]}"
    if not share.tokens:
        return f"vLLM's weights alone take its share of {_size(share.awake)}; {raised}"
    needed = f"a prompt with its answer may have {_longest(plan):,} tokens"
    return f"vLLM has room for {share.tokens:,} tokens, and {needed}; {raised}"


def _smaller_share(plan: Plan) -> str:
    """What vLLM may take of what the trainer leaves it."""
    left = plan.usable - plan.standing.rollout - (plan.vllm.asleep if plan.vllm else 0)
    cache = left - plan.standing.base
    if cache <= 0:
        return "vLLM's weights have no room beside the trainer's; set engine=transformers"
    if plan.vllm_backend.kv_cache_gib is None:
        return f"set engine.gpu_memory_utilization={100 * left // plan.memory / 100:g}"
    return f"set engine.kv_cache_gib={10 * cache // 2**30 / 10:g}"


def _smaller_rollout(plan: Plan) -> str:
    if plan.vllm:
        return _smaller_share(plan)
    if not plan.generation_tokens:
        return "an image with its prompts alone is too long; set max_pixels"
    parts = []
    if max(max(peak.looking, peak.reading) for _, _, peak in plan.rollouts) > plan.usable - plan.standing.rollout:
        parts.append(f"engine.tokens={plan.generation_tokens}")
    if not plan.generation_batch:
        parts.append("shorter answers, max_tokens")
    elif plan.generation_batch < limits_of(plan.settings).answers:
        parts.append(f"engine.batch={plan.generation_batch}")
    return f"set {' and '.join(parts)}"


def _smaller_update(plan: Plan) -> str:
    assert plan.update is not None
    if plan.micro_batch >= plan.update.group:
        return f"set rl.micro_batch_tokens={plan.micro_batch}"
    if not plan.settings.gradient_checkpointing:
        return "set gradient_checkpointing=true"
    start = plan.assumed.most_image_tokens + plan.assumed.prompt_tokens
    parts = []
    for asking, _, _ in plan.rollouts:
        answers = 1 if plan.padded_because else asking.answers
        limit = (plan.micro_batch - start) // answers
        if asking.trained and limit < asking.limit:
            parts.append(f"{_ROLES[asking.name]}.sampling.max_tokens={limit}")
            if limit < 1:
                return "an image with its prompt alone is too long; set max_pixels"
    return f"set {' and '.join(parts)}, since a group of {plan.update.group:,} tokens is never cut"


def _model(plan: Plan) -> Iterator[str]:
    p, settings = plan.parameters, plan.settings
    yield f"{plan.name}, {settings.dtype}, tune={settings.tune}"
    yield _row("parameters", f"{p.total:,}")
    yield _row("  decoder, without embeddings", f"{p.decoder:,}")
    yield _row("  vision tower", f"{p.vision:,}")
    yield _row("trained, a role", f"{plan.trainable:,} ({plan.trainable / p.total:.1%})")
    path = f"padded path: {plan.padded_because}" if plan.padded_because else "token trees, if the run's probe agrees"
    yield _row("path", path)
    yield _row("attention", "dense mask" if plan.dense else "FlexAttention, if it runs on the device")


def _memory(plan: Plan) -> Iterator[str]:
    standing, update, own = plan.standing, plan.update, "copies" if plan.settings.tune == "full" else "adapters"
    yield "memory, when every answer is as long as it may get"
    yield _row("weights of the base", _size(standing.base))
    yield _row(f"{own} of both roles", _size(standing.roles))
    whose = ("one role" if standing.away else "both roles") + (", a share" if plan.processes > 1 else "")
    yield _row(f"{plan.settings.rl.optimizer} states of {whose}", _size(standing.optimizer))
    if standing.away:
        yield _row("  the other's, in CPU memory", _size(standing.away))
    yield _row("what was seen in images", _size(standing.features))
    yield _row("gradients of one role", _size(standing.gradients))
    if update:
        what = f"{update.micro_batch:,} tokens; the largest group has {update.group:,}"
        if update.group > plan.settings.rl.micro_batch_tokens:
            what = f"{update.group:,} tokens: a group, which is never cut; rl.micro_batch_tokens is less"
        yield _row("activations of a micro-batch", f"{_size(update.activations)} ({what})")
    if plan.vllm:
        yield from _vllm(plan.vllm)
    elif plan.rollouts:
        asking, batch, peak = max(plan.rollouts, key=lambda rollout: rollout[2].total)
        what = f"{batch.all_answers:,} answers on {batch.tokens:,} tokens of images and prompts"
        yield _row(f"rollout of {asking.name}", f"{_size(peak.total)} ({what})")
        yield _row("  keys and values", _size(peak.cache))
        yield _row("  reading images and prompts", _size(peak.reading))
        yield _row("  vision tower, roughly", _size(peak.looking))
        yield _row("  a decoding step", _size(peak.writing))
    yield _row("peak of the rollout", _size(plan.rollout_bytes))
    yield _row("peak of the update", _size(plan.update_bytes))
    yield _row("set aside for driver and allocator", _size(RESERVED))
    yield _row("largest rl.micro_batch_tokens", f"{plan.micro_batch:,} tokens")
    if not plan.vllm:
        yield _row("largest engine.batch", f"{plan.generation_batch:,} answers")
        yield _row("largest engine.tokens", f"{plan.generation_tokens:,} tokens")


def _vllm(share: VLLMShare) -> Iterator[str]:
    yield _row(
        "vLLM while it generates", f"{_size(share.awake)} (its keys and values: {share.tokens:,} tokens at most)"
    )
    yield _row("  while the trainer computes", _size(share.asleep))
    if share.away:
        yield _row("  its weights then, in CPU memory", _size(share.away))


def _iteration(plan: Plan) -> Iterator[str]:
    a = plan.assumed
    yield "an iteration, estimated"
    yield f"{'':{_WIDTH}}{'answers':>10}{'written':>12}{'read':>12}{'trained on':>12}{'PFLOP':>10}{'GPU-hours':>11}"
    for asking, cost in plan.costs:
        yield _costs(asking.name, asking.all_answers, cost)
    yield _costs("together", sum(asking.all_answers for asking, _ in plan.costs), total(c for _, c in plan.costs))
    if plan.processes > 1:
        hours = total(c for _, c in plan.costs).hours / plan.processes
        yield f"  {plan.processes} GPUs at once take {hours:,.2f} hours"
    yield (
        f"assumed: {a.image_tokens:,.0f} tokens per image (most {a.most_image_tokens:,}), {a.prompt_tokens} a prompt; "
        f"means of {a.question_tokens} a question, {a.answer_tokens} an answer, {a.list_tokens} a list, or its limit; "
        f"{a.tflops:g} TFLOP/s reached; at least {a.step_ms:g} ms a decoding step"
    )


def _costs(name: str, answers: int, cost: Work) -> str:
    tokens = "".join(f"{value:>12,.0f}" for value in (cost.generated, cost.read, cost.trained))
    return f"  {name:{_WIDTH - 2}}{answers:>10,}{tokens}{cost.flops / 1e15:>10,.1f}{cost.hours:>11,.2f}"


def _row(name: str, figure: str) -> str:
    return f"  {name:{_WIDTH}} {figure}"


def _size(size: int) -> str:
    if size < 10**8:
        return f"{size / 1e6:,.1f} MB"
    return f"{size / 1e9:,.2f} GB" if size < 10**10 else f"{size / 1e9:,.1f} GB"
