"""The loop of VisPlay (arXiv 2511.15661, section 3): ask, vote, learn, measure, again.

For t = 1..T:
1. Questioner phase: the Reasoner is frozen; hard, varied, valid questions are rewarded.
2. Synthesis: questions about the images, silver answers (the paper: by majority), gates (the paper: the band).
3. Reasoner phase: agreement with the silver answer is rewarded.
4. Measurement on labelled suites that training never sees.
5. Acceptance (ours, not the paper's): an iteration whose answers became significantly worse is rolled back. Compared
   are the base's own confident answers about held-out images, the user's labelled items, or both.

A run whose first iteration had nothing to learn from ends there: see `outcome.py`.

`schedule.PHASES` lists these phases in this order; `phases.py` has a function for each. A rejected iteration is
restored in the last one, `phases.accept_or_roll_back`, from the checkpoint of the last accepted iteration.
"""

from __future__ import annotations

from visplay.config import Settings
from visplay.selfplay import phases, schedule
from visplay.selfplay.context import PhaseContext, RunInputs
from visplay.selfplay.failures import explained
from visplay.selfplay.logger import RunLogger
from visplay.selfplay.state import SelfPlayState


def self_play(inputs: RunInputs, state: SelfPlayState, settings: Settings, logger: RunLogger) -> float:
    """Run all iterations, or the remaining ones after a resume; all metrics go to the logger's run.

    Iteration 0 measures the base and freezes its answers for acceptance.

    Returns:
        seconds spent on the run, including the time before a resume.
    """
    with explained(logger.run, lambda: logger.at):
        context = PhaseContext(inputs, state, settings, logger)
        for t in range(settings.iterations + 1):
            if context.acceptance.over or (t > 1 and context.learned_nothing):
                break
            for phase in schedule.phases():
                teachable = not phase.needs_silver or context.silver(t)
                count = logger.schedule.steps(phase.name, t) if teachable else 0
                if count:
                    state.offload_unused()
                for step in context.checkpointer.steps(t, phase.name, count):
                    getattr(phases, phase.function)(context, step)
        phases.restore_selected(context)
        return context.checkpointer.seconds
