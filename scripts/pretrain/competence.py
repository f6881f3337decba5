"""What a base can do in the lab, and what follows from what it sees: `python -m scripts.pretrain.competence MODEL`.

Three tables: accuracy and refusals by task and style; the things of its records that are right; and, for questions
that need reasoning, the answers that the base gives beside the answers that the oracle computes from the base's own
record of the same image.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from visplay.answers import extract_boxed, is_refusal
from visplay.config import load_settings
from visplay.evaluation.grading import is_correct
from visplay.evaluation.table import Table
from visplay.interfaces.engine import Engine, Sampling
from visplay.lab.draw import STYLES
from visplay.lab.oracle import truth
from visplay.lab.record import read_record, things_right
from visplay.lab.suites.tasks import TASKS, lab_suites
from visplay.roles.open import open_roles
from visplay.types import Item, Request

ASK_RECORD = "describe all shapes."
REASONED = ("counting-4-6", "comparison", "relation", "two-hop")


def greedy(engine: Engine, items: Sequence[Item], question: str | None = None) -> list[str | None]:
    """The boxed answer of the most probable completion for each item, or for another question about its image."""
    requests = [
        Request(f"competence/{place}", item.image, question or item.question, greedy=True)
        for place, item in enumerate(items)
    ]
    found = engine.generate(requests, Sampling())
    return [extract_boxed(found[request.id][0].text) for request in requests]


def study(engine: Engine, items: int, styles: Sequence[str]) -> list[Table]:
    """The three tables, from `items` items of every suite."""
    accuracies, computed = [], []
    things: Counter[str] = Counter()
    for task in TASKS:
        row, reasoned = [task], [task]
        for style in styles:
            (suite,) = lab_suites(0, items, [task], [style])
            answers = greedy(engine, suite.items)
            marks = [
                given is not None and is_correct(given, item) for given, item in zip(answers, suite.items, strict=True)
            ]
            declined = sum(is_refusal(given or "") for given in answers)
            row.append(f"{100 * sum(marks) / items:.0f} ({100 * declined / items:.0f})")
            if task == "records":
                for given, item in zip(answers, suite.items, strict=True):
                    things[f"{style} right"] += things_right(given or "", item.answer)
                    things[style] += len(item.answer.split(","))
            if task in REASONED:
                records = [read_record(given or "") for given in greedy(engine, suite.items, ASK_RECORD)]
                follows = [
                    record and truth(item.question, record) for record, item in zip(records, suite.items, strict=True)
                ]
                right = sum(bool(a) and is_correct(str(a), item) for a, item in zip(follows, suite.items, strict=True))
                reasoned.append(f"{100 * sum(marks) / items:.0f} → {100 * right / items:.0f}")
        accuracies.append(tuple(row))
        if task in REASONED:
            computed.append(tuple(reasoned))
    record_row = tuple(f"{100 * things[f'{style} right'] / things[style]:.1f}" for style in styles)
    return [
        Table("right % (declined %)", ("task", *styles), tuple(accuracies)),
        Table("things of records that are right, %", tuple(styles), (record_row,)),
        Table("right % as said → as computed from its own record", ("task", *styles), tuple(computed)),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables in Markdown."""
    parser = argparse.ArgumentParser(description="What a base can do in the lab.")
    parser.add_argument("model", help="'lab', or a folder that `python -m scripts.pretrain` wrote")
    parser.add_argument("--items", type=int, default=100, help="of every suite")
    parser.add_argument("--styles", nargs="+", default=list(STYLES), choices=list(STYLES))
    options = parser.parse_args(arguments)
    settings = load_settings("default", [], {"model": options.model})
    policies, _ = open_roles(options.model, ("reasoner",), settings)
    engine = settings.engine.vote_engine(policies["reasoner"], settings)
    for table in study(engine, options.items, options.styles):
        print(table.markdown(), end="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
