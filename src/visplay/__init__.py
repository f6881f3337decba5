"""VisPlay: a vision-language model that improves itself from unlabeled images (arXiv 2511.15661).

The public API. Names are imported when they are first used, so `import visplay` itself is quick and needs no torch.

    import visplay

    settings = visplay.load_settings("default", ["iterations=1"], {"images": "photos/"})
    run = visplay.evolve(settings, "runs/mine")
    print(run.summary["suites"])

Start reading at `visplay.selfplay.loop`; docs/architecture.md has the map.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visplay.config import Settings as Settings
    from visplay.config import load_settings as load_settings
    from visplay.errors import VisplayError as VisplayError
    from visplay.evaluation.scoring import Scores as Scores
    from visplay.evaluation.scoring import evaluate as evaluate
    from visplay.interfaces.advantages import AdvantageEstimator as AdvantageEstimator
    from visplay.interfaces.advantages import GroupRewards as GroupRewards
    from visplay.interfaces.engine import Engine as Engine
    from visplay.interfaces.engine import EngineBackend as EngineBackend
    from visplay.interfaces.engine import Sampling as Sampling
    from visplay.interfaces.gate import Gate as Gate
    from visplay.interfaces.image_source import Catalogue as Catalogue
    from visplay.interfaces.image_source import ImageSource as ImageSource
    from visplay.interfaces.image_source import Observer as Observer
    from visplay.interfaces.labeler import Labeler as Labeler
    from visplay.interfaces.labeler import Voter as Voter
    from visplay.interfaces.loss import PolicyLoss as PolicyLoss
    from visplay.interfaces.reward import QuestionerReward as QuestionerReward
    from visplay.interfaces.reward import QuestionOutcome as QuestionOutcome
    from visplay.interfaces.reward import ReasonerReward as ReasonerReward
    from visplay.interfaces.suite import SuiteSource as SuiteSource
    from visplay.interfaces.task_source import TaskSource as TaskSource
    from visplay.runs.open_run import Run as Run
    from visplay.runs.open_run import open_run as open_run
    from visplay.selfplay.run import evolve as evolve
    from visplay.tools.ask import Reply as Reply
    from visplay.tools.ask import ask as ask
    from visplay.types import Candidate as Candidate
    from visplay.types import Completion as Completion
    from visplay.types import ImageRef as ImageRef
    from visplay.types import Question as Question
    from visplay.types import SilverItem as SilverItem
    from visplay.types import Suite as Suite
    from visplay.types import VoteResult as VoteResult

__version__ = "0.1.0"

_EXPORTS = {
    "visplay.config": ("Settings", "load_settings"),
    "visplay.errors": ("VisplayError",),
    "visplay.evaluation.scoring": ("Scores", "evaluate"),
    "visplay.interfaces.advantages": ("AdvantageEstimator", "GroupRewards"),
    "visplay.interfaces.engine": ("Engine", "EngineBackend", "Sampling"),
    "visplay.interfaces.gate": ("Gate",),
    "visplay.interfaces.task_source": ("TaskSource",),
    "visplay.interfaces.image_source": ("Catalogue", "ImageSource", "Observer"),
    "visplay.interfaces.labeler": ("Labeler", "Voter"),
    "visplay.interfaces.loss": ("PolicyLoss",),
    "visplay.interfaces.reward": ("QuestionOutcome", "QuestionerReward", "ReasonerReward"),
    "visplay.interfaces.suite": ("SuiteSource",),
    "visplay.selfplay.run": ("evolve",),
    "visplay.tools.ask": ("Reply", "ask"),
    "visplay.runs.open_run": ("Run", "open_run"),
    "visplay.types": ("Candidate", "Completion", "ImageRef", "Question", "SilverItem", "Suite", "VoteResult"),
}
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = ["__version__", *sorted(_MODULE_OF)]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'visplay' has no attribute '{name}'")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
