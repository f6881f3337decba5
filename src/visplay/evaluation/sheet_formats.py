"""A sheet for a report: as a Markdown table, or as a LaTeX one with the rules of `booktabs`."""

from __future__ import annotations

import re

from visplay.evaluation.sheet import Sheet

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "*": r"\textsuperscript{*}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
} | {sign: f"\\{sign}" for sign in "$&#_%"}


def markdown(sheet: Sheet) -> str:
    """A table in the way of GitHub, its title above and its note below."""
    head, *rows = ("| " + " | ".join(map(_in_markdown, row)) + " |" for row in (sheet.columns, *sheet.rows))
    rule = "|---" * len(sheet.columns) + "|"
    parts = [_in_markdown(sheet.title), "\n".join([head, rule, *rows]), _in_markdown(sheet.note)]
    return "\n\n".join(part for part in parts if part)


def latex(sheet: Sheet) -> str:
    """A `table` that needs the package booktabs, its title and note in the caption."""
    caption = " ".join(part for part in (f"{sheet.title}." if sheet.title else "", sheet.note) if part)
    rows = [" & ".join(map(_in_latex, row)) + r" \\" for row in sheet.rows]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\begin{{tabular}}{{{'l' * len(sheet.columns)}}}",
        r"\toprule",
        " & ".join(map(_in_latex, sheet.columns)) + r" \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        rf"\caption{{{_in_latex(caption)}}}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _in_markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _in_latex(text: str) -> str:
    escaped = "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))
    # A hyphen before a digit is a minus, unless it stands inside a name.
    return re.sub(r"(?<![\w$/.-])-(?=\d)", "$-$", escaped)
