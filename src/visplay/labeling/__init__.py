"""The silver set: questions with the answers that votes gave them, and what is kept of them."""

from visplay.labeling.silver_file import join_silver, questions_before, read_silver, silver_file, write_silver
from visplay.labeling.synthesis import Synthesis, synthesize

__all__ = [
    "Synthesis",
    "join_silver",
    "questions_before",
    "read_silver",
    "silver_file",
    "synthesize",
    "write_silver",
]
