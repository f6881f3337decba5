"""A model, or a run's Reasoner, on labelled questions: what `visplay eval` does."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.engines.choose import check_engine, speaking
from visplay.evaluation.results import Measurement
from visplay.evaluation.runner import measure
from visplay.players import open_roles, own_settings
from visplay.records import Suite


def score_reasoner(
    name: str,
    suites: Sequence[Suite],
    seed: int,
    *,
    k: int = 0,
    blind: bool = False,
    sampled: bool = True,
    engine: str | None = None,
) -> Measurement:
    """A run's Reasoner, or any model, on suites, measured as a run does it.

    Args:
        k, blind, sampled: as `measure`.
        engine: in place of the one that the run's settings name.
    Raises:
        visplay.runs.RunError, visplay.models.vlm.ModelError, visplay.config.ConfigError: as `open_reasoner`.
        visplay.engines.engine.EngineError: the engine cannot run the model.
    """
    settings = own_settings(name)
    settings = settings.model_copy(update={"seed": seed, "engine": engine or settings.engine})
    check_engine(settings)
    policies, prompts = open_roles(name, ("reasoner",), settings)
    with speaking(policies["reasoner"], settings) as speaker:
        max_tokens = settings.reasoner.sampling.max_tokens
        return measure(speaker, suites, prompts.answer, max_tokens, sampled, k=k, blind=blind)
