"""Settings: presets, overrides, bounds, and errors that fit one line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from visplay.config import Settings, check_settings, dump_settings, load_settings, preset_names
from visplay.data.sources.folder import FolderSource
from visplay.errors import ConfigError
from visplay.evaluation.suites.easy_vqa import EasyVQA
from visplay.generation.backends.transformers import TransformersBackend
from visplay.interfaces.component import components
from visplay.interfaces.engine import Sampling
from visplay.lab.sources.drawings import LabSource
from visplay.lab.suites.tasks import LabSuites
from visplay.labeling.gates.band import Band
from visplay.labeling.labelers.facts import Facts
from visplay.labeling.labelers.majority import Majority
from visplay.rl.losses.clipped import PPOClip
from visplay.rl.rewards.questioner.rewards import OfficialReward, PaperReward
from visplay.rl.rewards.reasoner.rewards import RandomReward, SilverReward

COMPONENTS = ("labeler", "gate", "questioner_reward", "reasoner_reward", "engine", "image_source", "suite")


def test_shipped_presets_are_valid_and_named() -> None:
    published = {"dual-track", "evolmm", "given-questions", "invariance", "official", "paper", "paper-lab"}
    assert published | {"default", "votes"} <= set(preset_names())
    assert {name: type(load_settings(name)) for name in preset_names()} == dict.fromkeys(preset_names(), Settings)


def test_presets_carry_their_published_columns() -> None:
    paper, official = load_settings("paper-lab"), load_settings("official")
    assert (paper.questioner.reward, paper.questioner.diversity.scope) == (PaperReward(), "image")
    assert paper.silver.gates == (Band(low=0.25, high=0.75),)
    assert (paper.questioner.steps, paper.reasoner.steps, paper.questioner.group_size) == (20, 20, 8)
    assert paper.reasoner.reward == SilverReward(format_weight=0)
    assert (official.questioner.reward, official.questioner.diversity.scope) == (OfficialReward(), "batch")
    assert official.silver.gates == (Band(low=0.3, high=0.8),)
    assert (official.questioner.votes, official.silver.votes) == (10, 9)
    assert (official.questioner.steps, official.reasoner.steps) == (40, 40)
    assert (official.rl.learning_rate, official.rl.updates_per_step) == (1e-6, 4)
    assert official.reasoner.reward == SilverReward(format_weight=0.1)


@pytest.mark.parametrize("preset", ["paper", "official", "paper-lab"])
def test_published_recipes_have_none_of_our_guards(preset: str) -> None:
    settings = load_settings(preset)
    assert settings.silver.labeler == Majority(augmentations=("plain",))
    (band,) = settings.silver.gates
    assert isinstance(band, Band) and not band.chance_corrected
    assert settings.questioner.history_size == settings.acceptance.images == settings.rl.entropy == 0
    assert settings.reasoner.augmentations == ("plain",)


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("seed: 1\niterations: 2\nrl: {kl: 0.5}\n")
    settings = load_settings(str(file), ["rl.loss.clip_low=0.1", "seed=3"], {"seed": 2, "images": "photos"})
    assert (settings.seed, settings.iterations, settings.images) == (3, 2, FolderSource(path=Path("photos")))
    assert (settings.rl.kl, settings.rl.loss) == (0.5, PPOClip(clip_low=0.1))


@pytest.mark.parametrize(
    "text, section, name, value",
    [
        ("rl.learning_rate=3e-5", "rl", "learning_rate", 3e-5),
        ("rl.learning_rate=3.0e-5", "rl", "learning_rate", 3e-5),
        ("silver.images=null", "silver", "images", None),
        (" questioner.steps =0", "questioner", "steps", 0),
        ("evaluation.suites=[lab]", "evaluation", "suites", (LabSuites(),)),
        ("evaluation.sampled=false", "evaluation", "sampled", False),
        ("reasoner.reward=random", "reasoner", "reward", RandomReward()),
        ("silver.labeler=facts", "silver", "labeler", Facts()),
        ("silver.labeler={type: facts, lists: 2}", "silver", "labeler", Facts(lists=2)),
        ("reasoner.augmentations=[plain, mirrored]", "reasoner", "augmentations", ("plain", "mirrored")),
        ("questioner.gates=[]", "questioner", "gates", ()),
    ],
)
def test_an_override_is_read_as_what_it_means(text: str, section: str, name: str, value: object) -> None:
    assert getattr(getattr(load_settings(overrides=[text]), section), name) == value


def test_an_override_reaches_nested_sections() -> None:
    settings = load_settings(overrides=["questioner.sampling.temperature=0.9"])
    assert settings.questioner.sampling.temperature == 0.9
    assert settings.reasoner == load_settings().reasoner


BY_VOTES = [
    name
    for name, settings in ((name, load_settings(name)) for name in preset_names())
    if isinstance(settings.silver.labeler, Majority) and any(isinstance(gate, Band) for gate in settings.silver.gates)
]


@pytest.mark.parametrize("preset", BY_VOTES)
def test_an_override_reaches_a_component(preset: str) -> None:
    """Whether the preset writes the component as a name, as a mapping, or leaves it to the defaults."""
    before = load_settings(preset)
    settings = load_settings(
        preset, ["engine.batch=64", "silver.gates.band.low=0.5", "silver.labeler.augmentations=[plain]"]
    )
    assert settings.engine == TransformersBackend(batch=64, tokens=65536)
    assert type(settings.silver.labeler) is type(before.silver.labeler)
    assert settings.silver.labeler.augmentations == ("plain",)
    assert [gate.name for gate in settings.silver.gates] == [gate.name for gate in before.silver.gates]
    for gate, former in zip(settings.silver.gates, before.silver.gates, strict=True):
        assert gate == (former.model_copy(update={"low": 0.5}) if isinstance(former, Band) else former)


def test_an_override_reaches_a_component_in_its_short_notation() -> None:
    settings = load_settings(
        "paper-lab", ["evaluation.suites.lab.part=counting", "images.count=5"], {"images": "lab/single"}
    )
    assert settings.evaluation.suites == (EasyVQA(), LabSuites(part="counting"))
    assert settings.images == LabSource(style="single", count=5)
    assert load_settings("facts", ["silver.labeler.lists=2"]).silver.labeler == Facts(
        augmentations=("plain", "smaller", "dimmer", "darker"), lists=2
    )


def test_other_suites_than_those_of_the_preset_have_endpoints_of_their_own(tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("evaluation: {suites: [{type: lab, items: 9}], endpoints: {counting: [lab/counting]}}")
    own = {"counting": ("lab/counting",)}
    assert load_settings(str(preset), ["evaluation.suites.lab.items=5"]).evaluation.endpoints == own
    suites = "evaluation.suites=[lab/color, lab/counting]"
    assert load_settings(str(preset), [suites]).evaluation.endpoints == {}
    named = "evaluation.endpoints={seeing: [lab/color]}"
    for changes in ([suites, named], [named, suites]):
        assert load_settings(str(preset), changes).evaluation.endpoints == {"seeing": ("lab/color",)}


@pytest.mark.parametrize(
    "overrides, said",
    [
        (["rl.learning_rate"], "not key=value"),
        (["=3"], "not key=value"),
        (["rl.learning_rat=1e-5"], "rl.learning_rat"),
        (["rl.learning_rate=0"], "rl.learning_rate"),
        (["rl.learning_rate=fast"], "rl.learning_rate"),
        (["questioner.group_size=1"], "questioner.group_size"),
        (["questioner.steps=2.5"], "questioner.steps"),
        (["iterations=0"], "iterations"),
        (["seed=-1"], "seed"),
        (["seed=1", "seed.deep=1"], "'seed' is a value"),
        (["silver.gates.band.low=0.9"], "silver.gates.0: gate 'band': low 0.9 is above high 0.75"),
        (["silver.gates.self_check.votes=2"], "there is no 'self_check' in the list"),
        (["silver.gates.low=0.5"], "'gates' is a list; name a component in it, as in silver.gates.band.low=0.5"),
        (["silver.gates.band.lowest=0.5"], "gate 'band': lowest: Extra inputs are not permitted"),
        (["silver.gates=[{type: self_check, max_denials: 1}]"], "gate 'self_check': max_denials"),
        (["silver.gates=[{low: 0.5}]"], "name the gate by its type: one of answered, band, boxed, needs_image"),
        (["silver.gates=band"], "silver.gates"),
        (["questioner.reward=best"], "no questioner reward 'best'; choose one of chance_corrected"),
        (["questioner.history_size=-1"], "questioner.history_size"),
        (["questioner.gates=[pretty]"], "questioner.gates.0: no gate 'pretty'; choose one of answered, band"),
        (["questioner.labeler.lists=2"], "name the labeler by its type: one of"),
        (["silver.labeler=oracle"], "silver.labeler: no labeler 'oracle'; choose one of"),
        (["silver.labeler.augmentations=[]"], "labeler 'majority': augmentations"),
        (["silver.labeler.augmentations=[upside down]"], "labeler 'majority': augmentations"),
        (["engine=hf"], "engine: no engine 'hf'; choose one of server, transformers, vllm"),
        (["engine={type: server, url: 'http://here:1'}"], "use engine: transformers and vote_engine: server"),
        (["evaluation.suites=[chess]"], "no suite 'chess'; choose one of easy_vqa, file, lab"),
        (["evaluation.suites=[lab/chess]"], "no suite 'lab/chess' (did you mean 'lab/records'?); tasks are"),
        (["images=lab/cubist"], "no lab drawings 'cubist'; choose one of"),
        (["seed=[1"], "not valid YAML"),
        (["rl=3"], "rl"),
        (["grpo.learning_rate=1e-5"], "grpo is now rl: {kl"),
        (["rl.clip_low=0.1"], "rl.clip_low is now rl.loss: {type: ppo_clip, clip_low: …}"),
        (["rl.normalisation=dapo"], "is now rl.averaging"),
        (["rl.advantages=best"], "choose one of batch_norm, group_norm, mean_centered, right_only, rloo"),
        (["rl.loss=best"], "choose one of cispo, gspo, ppo_clip"),
        (["rl.loss={type: ppo_clip, dual_clip: 1}"], "rl.loss: loss 'ppo_clip': dual_clip"),
        (["reasoner.overlong_buffer=64"], "needs a sampling.max_tokens"),
        (["reasoner.overlong_buffer=64", "reasoner.sampling.max_tokens=32"], "needs a sampling.max_tokens"),
        (["questioner.sampling.top_p=0.9"], "questioner.sampling: top_p 0.9 cuts"),
        (["questioner.sampling.top_p=0.9"], "questioner.synthesis_sampling"),
        (["reasoner.sampling.top_k=40"], "reasoner.sampling: top_k 40 cuts"),
        (["reasoner.sampling.top_k=40"], "reasoner.vote_sampling"),
        (["reasoner.sampling.temperature=0"], "choose above 0"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_settings("paper-lab", overrides)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["tokenize", "add_generation_prompt", "two words"])
def test_what_every_chat_has_is_no_argument_of_a_template(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"chat_template: '{name}' is no argument of a model's template"):
        check_settings({"chat_template": {name: True}}, "here")
    for override in ("chat_template.enable_thinking=false", "chat_template={enable_thinking: false}"):
        assert load_settings("facts", [override]).chat_template == {"enable_thinking": False}


def test_a_cut_is_refused_only_where_it_trains() -> None:
    cut = ["questioner.sampling.top_p=0.9", "reasoner.sampling={temperature: 0}"]
    assert load_settings("paper-lab", [*cut, "questioner.steps=0", "reasoner.steps=0"]).questioner.sampling.top_p == 0.9
    assert load_settings("paper-lab", cut, trained=False).reasoner.sampling.temperature == 0
    free = ["questioner.synthesis_sampling.top_p=0.9", "reasoner.vote_sampling={temperature: 0}"]
    assert load_settings("paper-lab", free).questioner.synthesis_sampling == Sampling(top_p=0.9)


def test_the_documented_algorithms_are_settings() -> None:
    page = Path(__file__).parents[2] / "docs" / "algorithms.md"
    blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = [check_settings(yaml.safe_load(block), where=block).rl for block in blocks]
    assert {rl.advantages.name for rl in found} == set(components("advantages"))
    assert {rl.loss.name for rl in found} == set(components("loss"))
    assert {rl.averaging for rl in found} == {"sequence", "token", "constant"}


def test_reading_settings_imports_no_torch() -> None:
    code = "import sys; from visplay.config import load_settings; load_settings(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"^here: [^\n]*$") as raised:
        check_settings({"seed": -1, "iterations": 0, "colour": "red"}, where="here")
    assert all(f"{key}: " in str(raised.value) for key in ("seed", "iterations", "colour"))


@pytest.mark.parametrize(
    "content, said",
    [("seed: [", "not valid YAML"), ("- 1", "must hold a mapping"), ("red", "must hold a mapping"), ("1: 2", "1")],
)
def test_a_wrong_preset_file_is_one_line(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as raised:
        load_settings(str(file))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_preset_says_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"choose one of .*default, .*paper, paper-lab, .*votes"):
        load_settings("papr")
    with pytest.raises(ConfigError, match="no preset file"):
        load_settings(str(tmp_path / "none.yaml"))


def test_an_empty_preset_file_means_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").touch()
    assert load_settings(str(tmp_path / "empty.yaml")) == Settings()


@pytest.mark.parametrize("preset", preset_names())
def test_dumped_settings_are_read_back(tmp_path: Path, preset: str) -> None:
    settings = load_settings(preset, ["prompts=wörter.yaml", "rl.learning_rate=1e-6", "silver.images=7"])
    file = tmp_path / "config.yaml"
    file.write_text(dump_settings(settings), encoding="utf-8")
    assert load_settings(str(file)) == settings


@given(st.floats(min_value=0, max_value=1, exclude_min=True))
def test_a_dumped_number_is_the_same_number(rate: float) -> None:
    settings = check_settings({"rl": {"learning_rate": rate}}, where="here")
    assert check_settings(yaml.safe_load(dump_settings(settings)), where="there") == settings


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().seed = 1


def test_every_number_has_bounds() -> None:
    """In sections and in components alike."""
    unbounded = []

    def visit(model: type[BaseModel], place: str) -> None:
        for name, field in model.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                visit(field.annotation, f"{place}{name}.")
            elif field.annotation in (int, float, int | None, float | None) and not field.metadata:
                unbounded.append(f"{place}{name}")

    visit(Settings, "")
    for seam in COMPONENTS:
        for name, component in components(seam).items():
            visit(component, f"{seam} {name}: ")
    assert unbounded == []
