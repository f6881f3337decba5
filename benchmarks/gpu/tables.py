"""Tables of findings in Markdown, which fit into docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

Line = dict[str, Any]
OURS = "visplay"


class Ratio(NamedTuple):
    """A finding of the kind "time" with its ratios.

    Attributes:
        over_floor: times the floor; None without one.
        peer_over: how many times as long the fastest of the others takes in the same case; None without one, and for
            the others themselves.
    """

    line: Line
    over_floor: float | None
    peer_over: float | None


def ratios(lines: Sequence[Line]) -> list[Ratio]:
    """All findings of the kind "time", cases together, in the order of their first finding."""
    timed = [line for line in lines if line["what"] == "time"]
    cases = list(dict.fromkeys((line["task"], line["case"]) for line in timed))
    peers: dict[tuple[str, str], float] = {}
    for line in timed:
        if line["who"] != OURS:
            case = line["task"], line["case"]
            peers[case] = min(line["s"], peers.get(case, line["s"]))
    found = []
    for line in sorted(timed, key=lambda line: cases.index((line["task"], line["case"]))):
        peer = peers.get((line["task"], line["case"])) if line["who"] == OURS else None
        floor_s = line["floor_s"]
        found.append(Ratio(line, line["s"] / floor_s if floor_s else None, peer / line["s"] if peer else None))
    return found


def tables(lines: Sequence[Line], parts: Sequence[Line]) -> str:
    """All tables of a measurement, and what it left out."""
    sections = [_machine(lines), _times(lines), _agreement(lines), _memory(lines)]
    sections += [_notes(lines), _left_out(lines, parts)]
    return "\n\n".join(section for section in sections if section) + "\n"


def disagreements(lines: Sequence[Line]) -> list[str]:
    """What does not agree although it must."""
    return [f"{line['of']} ({_about(line)})" for line in lines if line["what"] == "agreement" and not line["ok"]]


def _machine(lines: Sequence[Line]) -> str:
    found = {line["what"]: line for line in lines if line["what"] in ("machine", "ceilings")}
    text = []
    if machine := found.get("machine"):
        versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
        text.append(f"{machine['gpu'] or 'No GPU'}, {machine['cores']} cores ({machine['processor']}); {versions}.")
    if rates := found.get("ceilings"):
        text.append(
            f"Matrix products reach {rates['flops'] / 1e12:.3g} TFLOP/s in bfloat16 and "
            f"{rates['flops_float32'] / 1e12:.3g} in float32; copies reach {rates['bytes_s'] / 1e12:.3g} TB/s; a small "
            f"operation takes {rates['launch_s'] * 1e6:.3g} µs."
        )
    return "\n".join(text)


def _times(lines: Sequence[Line]) -> str:
    rows = [
        (
            f"{ratio.line['task']}, {ratio.line['case']}",
            ratio.line["who"],
            ratio.line["how"],
            f"{ratio.line['s']:.4g}",
            _number(ratio.line["floor_s"], ".3g"),
            _number(ratio.over_floor, ".3g"),
            _number(ratio.peer_over, ".3g"),
            _number(ratio.line["tokens_s"], ",.0f"),
            _gigabytes(ratio.line.get("peak_bytes")),
        )
        for ratio in ratios(lines)
    ]
    head = ("what", "who", "how", "s", "floor, s", "s / floor", "peer / s", "tokens/s", "peak, GB")
    return _table(head, rows)


def _agreement(lines: Sequence[Line]) -> str:
    rows = [
        (
            line["of"],
            _about(line),
            f"{line['mean']:.2g}",
            _number(line.get("most"), ".2g"),
            _number(line.get("gradient"), ".2g"),
            "yes" if line["ok"] else "**no**",
        )
        for line in lines
        if line["what"] == "agreement"
    ]
    return _table(("difference of", "by", "mean", "largest", "of gradients, relative", "as it must be"), rows)


def _memory(lines: Sequence[Line]) -> str:
    rows = [
        (line["part"], line["of"], _gigabytes(line["planned"]), _gigabytes(line["measured"]), f"{line['error']:+.1%}")
        for line in lines
        if line["what"] == "memory"
    ]
    return _table(("part", "memory", "planned, GB", "measured, GB", "planned / measured − 1"), rows)


def _notes(lines: Sequence[Line]) -> str:
    """Findings of no other kind, as they are."""
    shown = {"machine", "ceilings", "time", "agreement", "memory"}
    notes = []
    for line in lines:
        values = {name: value for name, value in line.items() if name not in ("part", "at_s", "what")}
        if line["what"] not in shown and not values.keys() & {"failed", "skipped"}:
            text = ", ".join(f"{name} {_plain(value)}" for name, value in values.items())
            notes.append(f"* `{line['part']}`, {line['what']}: {text}")
    return "\n".join(notes)


def _plain(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _left_out(lines: Sequence[Line], parts: Sequence[Line]) -> str:
    """Parts that did not end, and findings that were skipped or failed."""
    reasons = [f"part `{part['part']}`: {part['why']}" for part in parts if not part["ok"]]
    for line in lines:
        if reason := line.get("failed") or line.get("skipped"):
            reasons.append(f"`{line['part']}`, {line['what']}: {reason}")
    return "\n".join(["Left out:", *(f"* {reason}" for reason in dict.fromkeys(reasons))]) if reasons else ""


def _about(line: Line) -> str:
    return ", ".join(line[name] for name in ("dtype", "attention") if name in line) or "–"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Empty without rows."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) if len(lines) > 2 else ""


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _gigabytes(value: float | None) -> str:
    return f"{value / 1e9:.3g}" if value else "–"
