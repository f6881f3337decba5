"""The prompts of both roles; rewards, synthesis, training and evaluation use the same prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from visplay.config.yaml_file import dump_yaml, read_yaml_file
from visplay.errors import ConfigError, did_you_mean

_QUESTIONER = (
    "Look at the image and write exactly one question about it. The question must need the image, need "
    "reasoning, and have one short answer that can be checked. Say its type first: multiple choice, "
    "numerical, regression or open. A multiple choice question is answered by yes or no, or lists its options "
    "as A. to D.\n"
    "Write nothing but:\n<type>the type</type>\n<question>the question</question>"
)
_REASONER = (
    "{question}\n"
    "Look at the image and reason step by step between <think> and </think>, then give the final answer in "
    "\\boxed{}: a letter, yes or no, a number, or a short phrase."
)
_FACTS = (
    "List every thing you see in the image, separated by commas, its properties before its name, as in: red car, "
    "small brown dog, small brown dog. Write the list between <facts> and </facts> and nothing else."
)
_RECORD = (
    "Write down what you see in the image as one JSON object and nothing else. Its kind is scene, chart, document "
    "(also a form, sign, table or screen) or diagram, as in one of these examples:\n"
    '{"kind": "scene", "things": [{"name": "car", "attributes": {"color": "red"}, "count": 1, "row": 7, "column": 2, '
    '"size": 4}, {"name": "tree", "count": "several"}, {"name": "sign", "text": "STOP"}], "absent": ["person"], '
    '"complete": ["car"]}\n'
    '{"kind": "chart", "form": "bar chart", "title": "Sales", "unit": "USD", "series": [{"name": "2020", "color": '
    '"blue", "values": {"Asia": 41, "Europe": 12.5}}]}\n'
    '{"kind": "document", "title": "Invoice", "fields": {"Number": "A-7"}, "header": ["Item", "Price"], "rows": '
    '[["Pen", "2.50"]], "texts": ["Thank you"]}\n'
    '{"kind": "diagram", "title": "", "parts": [{"name": "side", "label": "AB", "value": "5 cm"}], "complete": '
    '["side"]}\n'
    "row, column and size are tenths of the image, from 0 (top, left, tiny) to 9. Give a thing of its own for each "
    'thing that looks different, and leave out what you cannot see well. Write "several" where you cannot count. '
    "Name in absent what one might expect and is not there. List in complete only kinds of which you "
    "wrote down every one."
)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Prompts:
    """The prompt templates. Unless a model has `learned` the output formats, its prompts must ask for them.

    A model that has `learned` its lists names every thing in them; the labeler `facts` then takes silence for "no".
    """

    questioner: str = _QUESTIONER
    reasoner: str = _REASONER  # `{question}` is replaced by the question
    facts: str = _FACTS  # asks the Reasoner to list the things on the image; see `visplay.roles.reasoner.read_facts`
    record: str = _RECORD  # asks the Reasoner for a record of the image; see `visplay.labeling.records.reading`
    record_complete: str = ""  # kinds, between commas, of which this model's records always list all things
    learned: bool = False

    def __post_init__(self) -> None:
        if self.reasoner.count("{question}") != 1:
            raise ConfigError("prompts: 'reasoner' must hold {question} exactly once")
        formats: dict[str, tuple[str, ...]] = {"questioner": ("<type>", "<question>"), "reasoner": ("\\boxed",)}
        formats |= {"facts": ("<facts>",), "record": ()}  # a record is read from JSON or from phrases
        for key, marks in formats.items():
            if not getattr(self, key).strip():
                raise ConfigError(f"prompts: '{key}' is blank; write the prompt")
            for mark in marks:
                if not self.learned and mark not in getattr(self, key):
                    raise ConfigError(f"prompts: '{key}' never asks for {mark}, which the parser reads")

    @property
    def complete_kinds(self) -> tuple[str, ...]:
        """The kinds of `record_complete`."""
        return tuple(kind.strip() for kind in self.record_complete.split(",") if kind.strip())

    def save(self, file: Path) -> None:
        """Write the prompts to a file, usually `prompts.yaml` in a model's folder; `load_prompts` can read it."""
        file.write_text(dump_yaml(asdict(self)), encoding="utf-8")

    def answer(self, question: str, choices: Sequence[str] = ()) -> str:
        """The Reasoner's prompt for a question with its choices."""
        return self.reasoner.replace("{question}", lettered(question, choices))


def lettered(question: str, choices: Sequence[str]) -> str:
    """The question, and one line per choice with its label."""
    labels = option_labels(choices)
    return "\n".join([question, *(f"{label}. {text}" for label, text in zip(labels, choices, strict=False))])


def option_labels(choices: Sequence[str]) -> Sequence[str]:
    """A, B, C, …; or 1, 2, 3, … where a choice is itself the letter of another, which an answer could then mean."""
    letters = _LETTERS[: len(choices)]
    names = [text.strip().upper() for text in choices]
    if any(name in letters and name != letter for name, letter in zip(names, letters, strict=False) if len(name) == 1):
        return [str(number + 1) for number in range(len(choices))]
    return letters


def load_prompts(file: Path | None, model_folder: Path | None = None) -> Prompts:
    """The prompts of the file, else of `prompts.yaml` in the model's folder, else the defaults.

    Raises:
        ConfigError: the file is missing or not YAML, or its prompts do not ask for the formats that the parser needs.
    """
    if file is None and model_folder is not None and (model_folder / "prompts.yaml").is_file():
        file = model_folder / "prompts.yaml"
    if file is None:
        return Prompts()
    if not file.exists():
        raise ConfigError(f"no prompts file {file}")
    values = read_yaml_file(file)
    defaults = asdict(Prompts())
    if not isinstance(values, dict) or not values.keys() <= defaults.keys():
        unknown = [str(key) for key in values if key not in defaults] if isinstance(values, dict) else []
        meant = "".join(f"; '{key[:80]}' is none of them{did_you_mean(key, defaults)}" for key in unknown[:1])
        others = "facts, record, record_complete and learned"
        raise ConfigError(f"{file} must map questioner, reasoner and, if need be, {others}{meant}")
    for key, value in values.items():
        if type(value) is not type(defaults[key]):
            raise ConfigError(f"{file}: '{key}' must be {'true or false' if key == 'learned' else 'text'}")
    return Prompts(**values)
