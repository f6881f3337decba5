"""A language model as the judge of free answers: what it is told, what it said, and how far to believe it."""

from visplay.errors import JudgeError
from visplay.evaluation.judge.client import Judge, Judgement
from visplay.evaluation.judge.judged import Judged, judge_results, judged_lines, judged_summary

__all__ = ["Judge", "JudgeError", "Judged", "Judgement", "judge_results", "judged_lines", "judged_summary"]
