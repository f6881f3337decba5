"""Plans: what an iteration asks, what would fit, what is concluded, and the command as a user meets it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig

from tests.tools.plan.shapes import qwen_3b
from visplay.cli.main import main
from visplay.config import Settings, load_settings
from visplay.errors import ConfigError
from visplay.generation.batching import BatchLimits, ItemSize, make_batches
from visplay.interfaces.engine import Sampling
from visplay.models.vlm import VLM
from visplay.tools.plan.plan import Plan, count_image_tokens, largest_micro_batch, read_bytes
from visplay.tools.plan.table import conclusion, plan_lines
from visplay.tools.plan.workload import Assumed, Batch, Cost, Generation, cost, generations, total
from visplay.types import ImageRef

SMALL = 60 * 10**6 + 10**9


def _asked(settings: Settings, images: int | None = None) -> dict[str, int]:
    return {generation.name: generation.all_answers for generation in generations(settings, images, Assumed())}


def _plan(folder: Path, memory: int, *overrides: str) -> Plan:
    settings = load_settings("paper-lab", ["tune=lora", "device=cpu", "silver.images=100", *overrides])
    config = AutoConfig.from_pretrained(folder)
    return Plan(str(folder), config, settings, memory, assumed=Assumed(64, 64, longest=64))


def test_answers_of_an_iteration_are_counted_from_the_settings() -> None:
    s = load_settings("paper-lab", ["silver.images=1000"])
    q, silver, r = s.questioner, s.silver, s.reasoner
    asked = _asked(s)
    questions = q.steps * q.images_per_step * q.group_size
    assert asked["questions"] == questions and asked["their votes"] == questions * q.votes
    assert asked["silver questions"] == 1000 * silver.questions_per_image
    assert asked["answers"] == r.steps * r.questions_per_step * r.group_size
    assert not [name for name in asked if "lists" in name or "verdict" in name]


def test_lists_and_verdicts_are_asked_for_where_the_settings_want_them() -> None:
    s = load_settings("paper-lab", ["silver.labeler=facts", "silver.images=500", "acceptance.images=100"])
    asked = _asked(s, 4000)
    assert asked["silver lists"] == 500 * 4
    assert asked["their lists"] == s.questioner.steps * s.questioner.images_per_step * 4
    assert asked["verdict votes"] == 2 * s.acceptance.images * s.acceptance.questions_per_image * s.acceptance.votes


def test_what_gates_ask_again_is_counted() -> None:
    gates = "[answered, {type: needs_image, votes: 3}, band, {type: self_check, votes: 2}]"
    s = load_settings("paper-lab", [f"silver.gates={gates}", f"questioner.gates={gates}", "silver.images=500"])
    asked = _asked(s, 4000)
    questions = 500 * s.silver.questions_per_image
    assert asked["silver needs_image"] == questions * 3
    assert asked["silver self_check"] == questions * 2 * 2, "two claims at the most, two replies each"
    assert not [name for name in asked if name.startswith("their") and name != "their votes"]
    q = s.questioner
    corrected = _asked(
        load_settings("paper-lab", [f"questioner.gates={gates}", "questioner.reward=chance_corrected"]), 4
    )
    assert corrected["their needs_image"] == q.steps * 4 * q.group_size * 3


def test_no_more_images_are_asked_about_than_there_are() -> None:
    s = load_settings("paper-lab")
    asked = _asked(s, 5)
    assert asked["silver questions"] == 5 * s.silver.questions_per_image
    assert asked["questions"] == s.questioner.steps * 5 * s.questioner.group_size


def test_how_many_images_there_are_must_be_known() -> None:
    with pytest.raises(ConfigError, match=r"silver\.images"):
        _asked(load_settings("paper-lab", ["silver.images=null"]))


def test_work_is_two_operations_a_weight_and_token() -> None:
    settings = load_settings(
        "paper-lab", ["tune=full", "rl.kl=0", "questioner.steps=1", "questioner.images_per_step=1"]
    )
    assumed = Assumed(image_tokens=100, prompt_tokens=20, question_tokens=10, tflops=1.0, step_ms=0)
    question = generations(settings, 1, assumed)[0]

    def work(assumed: Assumed, tree: bool) -> Cost:
        return cost(question, (1000, 200), settings, assumed, tree, 1)

    whole = work(assumed, tree=True)
    g = settings.questioner.group_size
    assert (whole.generated, whole.read, whole.trained) == (10 * g, 120, 120 + 10 * g)
    assert whole.flops == 2 * (1000 * (120 + 10 * g) + 200 * 10 * g) * (1 + 3)
    assert whole.hours == pytest.approx(whole.flops / 1e12 / 3600)
    apart = work(assumed, tree=False)
    assert apart.read == 120 * g and total([whole, apart]).read == 120 * (g + 1)
    slow = work(Assumed(step_ms=1000), tree=True)
    assert slow.hours > 1024 / 3600  # a step of a second, up to the limit of an answer


@pytest.mark.parametrize("free", [0, 63, 100_000, 3_000_000])
def test_the_largest_that_fits_fits_and_the_next_does_not(free: int) -> None:
    def peak(tokens: int) -> int:
        return 5000 + 70 * tokens + tokens**2 // 100

    found = largest_micro_batch(peak, free, 1024)
    assert found % 64 == 0 and (found == 0 or peak(found) <= free)
    assert peak(found + 64 + found // 50) > free


@pytest.mark.parametrize("text, size", [("24GB", 24 * 10**9), ("80 GiB", 80 * 2**30), ("24", 24 * 10**9)])
def test_sizes_of_memory(text: str, size: int) -> None:
    assert read_bytes(text) == size


def test_what_the_plan_says_fits_fits(model_folder: Path) -> None:
    plan = _plan(model_folder, SMALL)
    assert plan.rollout_bytes > plan.usable and plan.update_bytes > plan.usable
    advice = conclusion(plan)
    assert "\n" not in advice and advice.startswith("does not fit in 1.06 GB: ")
    changes = re.findall(r"[a-z_.]+=\d+", advice)
    told = (f"engine.tokens={plan.fitting.tokens}", f"engine.batch={plan.fitting.answers}")
    assert changes == [f"rl.micro_batch_tokens={plan.fitting_micro_batch}", *told]
    fits = _plan(model_folder, SMALL, *changes)
    assert 0 <= fits.free < 0.1 * SMALL and conclusion(fits).startswith("fits in 1.06 GB with")


def test_memory_falls_and_time_grows_with_fewer_tokens_at_once(model_folder: Path) -> None:
    plans = [_plan(model_folder, SMALL, f"engine.tokens={n}") for n in (65536, 16384, 4096, 64)]
    assert sorted((plan.rollout_bytes for plan in plans), reverse=True) == [plan.rollout_bytes for plan in plans]
    assert plans[0].rollout_bytes > 2 * plans[2].rollout_bytes > 2 * plans[3].rollout_bytes
    hours = [total(cost for _, cost in plan.costs).hours for plan in plans]
    assert sorted(hours) == hours and hours[3] > hours[0]
    for generation, batch, _ in plans[2].rollouts:
        assert batch.tokens <= 4096 and batch.all_answers <= 256, generation.name
    assert all(batch.trees == 1 for _, batch, _ in plans[3].rollouts)
    assert len({plan.fitting.tokens for plan in plans}) == 1, "what fits does not depend on what is set"


def test_what_is_measured_is_counted(model_folder: Path) -> None:
    several = ("questioner.group_size=8", "silver.questions_per_image=8", "engine.batch=64")
    without, before = (_plan(model_folder, SMALL, *several, f"evaluation.suites={s}") for s in ("[]", "[lab]"))
    assert "measuring" not in {generation.name for generation, _, _ in without.rollouts}
    # One answer per image, so eight times as many images at once.
    (batch,) = (batch for generation, batch, _ in before.rollouts if generation.name == "measuring")
    assert batch.trees == 64 and before.rollout_bytes > without.rollout_bytes
    assert before.costs == without.costs


@pytest.mark.parametrize("tree", [True, False])
@given(
    st.builds(
        lambda images, prompts, n: (images, prompts, prompts * n),
        st.integers(1, 50),
        st.integers(1, 5),
        st.integers(1, 9),
    ),
    st.builds(BatchLimits, st.integers(1, 60), st.integers(1, 9000)),
)
def test_a_batch_is_told_as_it_is_cut(tree: bool, asked: tuple[int, int, int], bounds: BatchLimits) -> None:
    images, prompts, answers = asked
    told = Batch.of(Generation("votes", 1, images, prompts, answers, 1, Sampling()), Assumed(64, 64, 20), bounds, tree)
    rows = min(answers, bounds.answers) if tree else 1
    each = ItemSize(rows, 64 + 20 * (prompts if tree else 1))
    cuts = list(make_batches([each] * (images * (1 if tree else answers)), lambda one: one, bounds))
    assert (told.trees, told.answers, told.shared) == (len(cuts[0]), rows, each.tokens)


def test_a_group_that_no_micro_batch_cuts_is_told(model_folder: Path) -> None:
    lines = list(plan_lines(_plan(model_folder, SMALL, "rl.micro_batch_tokens=512")))
    (line,) = (line for line in lines if "activations of a micro-batch" in line)
    assert "776 tokens: a group, which is never cut; rl.micro_batch_tokens is less" in line


def test_a_image_that_is_too_long_is_told(model_folder: Path) -> None:
    settings = load_settings("paper-lab", ["tune=lora", "device=cpu", "silver.images=100"])
    config = AutoConfig.from_pretrained(model_folder)
    plan = Plan("tiny", config, settings, 22 * 10**8, assumed=Assumed(9000, 9000, longest=64))
    assert plan.fitting.tokens == plan.fitting.answers == 0
    assert "the rollout takes" in conclusion(plan) and "max_pixels" in conclusion(plan).partition("the rollout")[2]


def test_a_group_that_is_too_large_is_answered_by_less_activations_then_by_shorter_answers(model_folder: Path) -> None:
    long = ("reasoner.sampling.max_tokens=1000", "engine.batch=1")
    plan = _plan(model_folder, SMALL, *long)
    assert plan.fitting_micro_batch < plan.group
    assert "set gradient_checkpointing=true" in conclusion(plan)
    advice = conclusion(_plan(model_folder, SMALL, *long, "gradient_checkpointing=true"))
    limit = advice.partition("reasoner.sampling.max_tokens=")[2].partition(",")[0]
    shorter = (f"reasoner.sampling.max_tokens={limit}", "engine.batch=1", "rl.micro_batch_tokens=64")
    assert _plan(model_folder, SMALL, *shorter, "gradient_checkpointing=true").free >= 0


def test_the_idle_optimizer_is_counted_where_it_is(model_folder: Path) -> None:
    both, one = (_plan(model_folder, SMALL, "tune=full", f"idle={where}") for where in ("device", "cpu"))
    assert both.away == 0 and one.away == one.states
    assert both.standing == one.standing + one.away
    assert both.model.roles == one.model.roles and both.model.base == one.model.base
    told = "\n".join(plan_lines(one))
    assert "adamw states of one role" in told and "the other's, in CPU memory" in told
    assert "idle=cpu" in conclusion(_plan(model_folder, 10**9 + 10**5, "tune=full", "idle=device"))
    assert _plan(model_folder, SMALL, "idle=cpu").away == 0, "adapters stay where they are"


def test_several_processes_hold_less_each_and_take_less_time_together(model_folder: Path) -> None:
    settings = load_settings("paper-lab", ["tune=full", "device=cpu", "silver.images=100"])
    config = AutoConfig.from_pretrained(model_folder)
    one, four = (
        Plan("tiny", config, settings, 10**10, assumed=Assumed(64, 64, longest=64), processes=n) for n in (1, 4)
    )
    assert four.states < one.states / 2
    assert four.model.base == one.model.base and four.model.gradients == one.model.gradients
    hours = [total(cost for _, cost in plan.costs).hours for plan in (one, four)]
    assert hours[1] / 4 < hours[0] and hours[1] >= hours[0]
    (line,) = (line for line in plan_lines(four) if "GPUs at once" in line)
    assert line == f"  4 GPUs at once take {hours[1] / 4:,.2f} hours"
    assert conclusion(four).startswith("fits in 4 × 10.0 GB with ")


def _with_vllm(folder: Path, memory: int, *overrides: str) -> tuple[Plan, str]:
    plan = _plan(folder, memory, "engine=vllm", *overrides)
    return plan, conclusion(plan)


def test_vllm_takes_its_share_while_it_generates_and_gives_it_back(model_folder: Path) -> None:
    memory = 4 * 10**9
    plan, _ = _with_vllm(model_folder, memory, "engine.gpu_memory_utilization=0.25")
    assert plan.rollout_bytes == plan.standing + 10**9
    asleep = plan.update_bytes
    awake, _ = _with_vllm(model_folder, memory, "engine.gpu_memory_utilization=0.25", "engine.sleep=false")
    assert awake.update_bytes == asleep + 10**9 and awake.fitting_micro_batch < plan.fitting_micro_batch
    lines = list(plan_lines(plan))
    assert [line for line in lines if "vLLM while it generates" in line and f"{plan.vllm_tokens:,} tokens" in line]
    assert not [line for line in lines if "engine.batch" in line]
    assert [line for line in lines if "its weights then, in CPU memory" in line]


@pytest.mark.parametrize("setting, advised", [("gpu_memory_utilization=0.9", r"0\.\d+"), ("kv_cache_gib=3", r"\d\.\d")])
def test_what_is_advised_to_vllm_fits(model_folder: Path, setting: str, advised: str) -> None:
    memory = 3 * 10**9
    _, told = _with_vllm(model_folder, memory, f"engine.{setting}")
    name = setting.partition("=")[0]
    found = re.search(rf"set engine\.{name}=({advised})$", told)
    assert found is not None, told
    assert _with_vllm(model_folder, memory, f"engine.{name}={found[1]}")[1].startswith("fits")


def test_too_little_for_vllm_is_told(model_folder: Path) -> None:
    memory = 4 * 10**9
    small, _ = _with_vllm(model_folder, memory)
    share = (small.model.base + 20 * 2**10) / memory
    _, told = _with_vllm(model_folder, memory, f"engine.gpu_memory_utilization={share}")
    assert "vLLM has room for" in told and told.endswith("raise engine.gpu_memory_utilization")
    _, told = _with_vllm(model_folder, memory, "engine.gpu_memory_utilization=0.0001")
    assert "vLLM has room for 0 tokens" in told and told.endswith("raise engine.gpu_memory_utilization")


def test_weights_that_do_not_fit_at_all(model_folder: Path) -> None:
    plan = _plan(model_folder, 10**9 + 10**5)
    assert "dtype=bfloat16" in conclusion(plan) and "weights and states alone" in conclusion(plan)


def test_a_model_of_3b_is_told_in_lines_with_units() -> None:
    config = qwen_3b()
    config.text_config.num_hidden_layers = 2  # the others are alike
    config.text_config.layer_types = config.text_config.layer_types[:2]
    settings = load_settings("paper-lab", ["tune=lora", "dtype=bfloat16", "silver.images=1000"])
    plan = Plan("qwen", config, settings, 24 * 10**9)
    lines = list(plan_lines(plan))
    assert not plan.model.dense and any("FlexAttention" in line for line in lines)
    for row in ("weights of the base", "adapters of both roles", "gradients of one role", "peak of the update"):
        assert any(row in line and ("GB" in line or "MB" in line) for line in lines), row
    assert lines[-1] == conclusion(plan) and "24.0 GB" in lines[-1]


@pytest.mark.parametrize("preset", ["official", "paper"])
def test_the_published_presets_are_planned(preset: str) -> None:
    config = qwen_3b()
    config.text_config.num_hidden_layers = 2
    config.text_config.layer_types = config.text_config.layer_types[:2]
    settings = load_settings(preset, ["silver.images=1000", "reasoner.sampling.max_tokens=64"])
    assert _asked(settings)["answers"] == settings.reasoner.steps * 512 * 8
    waits, stays = (
        Plan("qwen", config, settings.model_copy(update={"idle": idle}), 80 * 10**9) for idle in ("cpu", "device")
    )
    assert waits.held == 0, "the base makes room for the reference of a phase"
    assert stays.held == stays.model.roles // 2 and any("reference of a phase" in line for line in plan_lines(stays))


def test_images_are_counted_as_the_model_takes_them(model_folder: Path, images: tuple[ImageRef, ...]) -> None:
    vlm = VLM.load(model_folder, device="cpu")
    counts = [vlm.encode(image, "?").token_ids.count(vlm.image_token_id) for image in images]
    config = AutoConfig.from_pretrained(model_folder)
    mean, most = count_image_tokens(str(model_folder), config, Settings(), images)
    assert mean == pytest.approx(sum(counts) / len(counts)) and most == max(counts)


def test_the_verb_needs_no_weights(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    for image in range(2):
        _write_image(tmp_path / "images", image)
    arguments = ["--preset=paper-lab", "--images", str(tmp_path / "images"), "--gpu-memory=24GB", "--set", "tune=lora"]
    assert main(["plan", str(folder), *arguments]) == 0
    told = capsys.readouterr().out
    assert "fits in 24.0 GB with" in told.splitlines()[-1] and "GPU-hours" in told
    assert f"{VLM.load(model_folder, device='cpu').model.num_parameters():,}" in told


def _write_image(folder: Path, seed: int) -> None:
    from PIL import Image

    folder.mkdir(exist_ok=True)
    Image.effect_noise((32, 32), 50 + seed).save(folder / f"{seed}.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lab", "--gpu-memory", "big"], "24GB"),
        (["./no-such-model"], "no-such-model"),
        (["lab", "--preset", "paper-lab", "--set", "silver.images=null"], "silver.images"),
        (["lab", "--images", "no-such-folder"], "no-such-folder"),
        (["lab", "--set", "rl.speed=1"], "speed"),
        (["lab", "--tflops", "0"], "--tflops"),
        (["lab", "--set", "tune=lora", "--set", "lora.targets=[nothing]"], "nothing"),
    ],
)
def test_wrong_input_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("visplay: ") and error.count("\n") == 1 and message in error
