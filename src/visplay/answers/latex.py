r"""LaTeX as plain text that keeps its meaning: `\frac{x+1}{2}` is `(x+1)/2`, `x^{12}` is `x^12`, `x^{1}2` is `x^1 2`.

A command that is not known stays in the text under its name, so that no two formulas become equal by what was left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_DEEPEST = 40  # levels of nested groups that are read; what lies deeper stays as it is written
_TOKEN = re.compile(r"\\(?:[A-Za-z]+\*?|.)|[0-9]+|.", re.DOTALL)
_ATOM = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?|[^\W\d_])")
_EXPONENT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|[^\W\d_])")
_FACTOR = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?)?(?:√\([^()]*\)|[^\W\d_](?:\^[0-9]+)?)*")
_GROUPING = frozenset(
    "text textbf textit textrm textsf texttt textnormal mathrm mathbf mathit mathsf mathtt mbox operatorname "
    "boldsymbol bm overline vec overrightarrow hat boxed fbox displaystyle".split()
)
_TEXT = frozenset("text textbf textit textrm textsf texttt textnormal mathrm mbox operatorname".split())
_SILENT = frozenset(
    "left right big Big bigg Bigg bigl bigr Bigl Bigr displaystyle textstyle limits nolimits mathbb mathcal".split()
)
_SPACES = {command: " " for command in (*", ; : >", " ", "\n", "quad", "qquad", "space", "enspace", "thinspace")}
_SIGNS = _SPACES | {
    "!": "", "(": "", ")": "", "[": "", "]": "", "\\": " ; ", "|": "‖", "&": " ",
    "times": " × ", "cdot": " * ", "ast": " * ", "div": "/", "pm": "±", "mp": "∓", "degree": "°", "circ": "∘",
    "le": "≤", "leq": "≤", "leqslant": "≤", "ge": "≥", "geq": "≥", "geqslant": "≥", "ne": "≠", "neq": "≠",
    "lt": "<", "gt": ">", "approx": "~", "sim": "~", "infty": "∞", "cup": "∪", "cap": "∩", "in": "∈", "to": "→",
    "rightarrow": "→", "leftarrow": "←", "angle": "∠", "triangle": "△", "parallel": "∥", "perp": "⊥", "prime": "'",
    "ldots": "...", "dots": "...", "cdots": "...", "lbrace": "{", "rbrace": "}", "lvert": "|", "rvert": "|",
    "mid": "|", "colon": ":", "backslash": "\\", "emptyset": "∅", "varnothing": "∅", "euro": "€", "pounds": "£",
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "vartheta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ",
    "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ",
    "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip
_MATRICES = frozenset("matrix pmatrix bmatrix smallmatrix array".split())
_FUNCTIONS = frozenset("sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp max min".split())


def read_latex(text: str) -> str:
    """`text` in plain notation; the time is linear in its length.

    Braces of groups vanish, those of sets stay. A group after `^` or `_` stays apart from what follows it.
    """
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.tokens: list[str] = _TOKEN.findall(text)[::-1]  # the next one is the last

    def read(self) -> str:
        parts: list[str] = []
        while self.tokens:
            parts.append(self._sequence(0))
            if self.tokens:  # a brace that nothing opened
                self.tokens.pop()
        return "".join(parts)

    def _sequence(self, depth: int) -> str:
        """The text up to the closing brace of the group, which is left."""
        out = ""
        parts: list[str] = []
        while self.tokens and self.tokens[-1] != "}":
            piece = self._piece(out, depth)
            if piece:
                parts.append(piece)
                out = (out + piece)[-12:]
        return "".join(parts)

    def _piece(self, before: str, depth: int) -> str:
        token = self.tokens.pop()
        if token == "{":
            return self._group(depth)
        if token in "^_" and depth < _DEEPEST:
            return self._script(token, depth)
        if token[0] != "\\":
            return token
        return self._command(token[1:].rstrip("*"), before, depth)

    def _group(self, depth: int) -> str:
        if depth >= _DEEPEST:
            return "{"
        inner = self._sequence(depth + 1)
        if self.tokens:
            self.tokens.pop()
        return inner

    def _argument(self, depth: int) -> str:
        """The next group or, as in LaTeX, the next sign: `\\frac12` is a half."""
        while self.tokens and self.tokens[-1].isspace():
            self.tokens.pop()
        if not self.tokens or self.tokens[-1] == "}":
            return ""
        token = self.tokens[-1]
        if token[0].isdigit() and len(token) > 1:
            self.tokens[-1] = token[1:]
            return token[0]
        return self._piece("", depth + 1).strip()

    def _script(self, sign: str, depth: int) -> str:
        while self.tokens and self.tokens[-1].isspace():
            self.tokens.pop()
        braced = bool(self.tokens) and self.tokens[-1] == "{"
        if not braced and not (self.tokens and self.tokens[-1][0] == "\\"):
            return sign  # plain notation: x^12, snake_case
        inner = self._argument(depth)
        if inner in ("∘", "°"):
            return "°"
        if inner.strip("'") == "":
            return inner
        simple = _EXPONENT.fullmatch(inner) or (sign == "_" and inner.isalnum())
        following = self._next()
        apart = following.isdigit() if sign == "_" and inner[-1:].isdigit() else sign == "^" and following.isalnum()
        return f"{sign}{inner if simple else f'({inner})'}{' ' if apart and simple else ''}"

    def _command(self, name: str, before: str, depth: int) -> str:
        if name == "!":  # the space after it does not count either: 1,\\! 000
            while self.tokens and self.tokens[-1].isspace():
                self.tokens.pop()
        if name in _SIGNS or depth >= _DEEPEST:
            return _SIGNS.get(name, name)
        if name in _FUNCTIONS:
            return f" {name} " if not self._next_is("^_({[") else f" {name}"
        if name in ("frac", "dfrac", "tfrac", "cfrac"):
            return self._fraction(before, depth)
        if name == "sqrt":
            return self._root(depth)
        if name in ("binom", "dbinom", "tbinom"):
            return f"binom({self._argument(depth)};{self._argument(depth)})"
        if name in ("left", "right") and self._next() == ".":
            self.tokens.pop()
            return ""
        if name in ("begin", "end"):
            return self._environment(name, depth)
        if name in _GROUPING and self._next_is("{"):
            inner = self._argument_with_spaces(depth)
            if name == "overline" and any(sign.isdigit() for sign in inner):
                return f"overline({inner})"
            # Units are set apart from their number: 5\text{cm}; but H_2\text{O}.
            unit = name in _TEXT and before[-1:].isdigit() and inner[:1].isalpha() and "_" not in before[-4:]
            word = name in _TEXT and before[-1:].isalpha() and len(inner) > 1 and inner.isalpha()
            return f" {inner}" if unit or word else inner
        if name in _SILENT or name in _GROUPING:
            return ""
        return name if not name.isalpha() else f" {name} "

    def _environment(self, edge: str, depth: int) -> str:
        """A bracket at the edge of a matrix; another environment keeps its name."""
        name = self._argument(depth).strip("*")
        if edge == "begin" and name == "array" and self._next_is("{"):
            self._argument(depth)  # alignment of the columns
        return ("[" if edge == "begin" else "]") + ("" if name in _MATRICES else f" {name} ")

    def _argument_with_spaces(self, depth: int) -> str:
        while self.tokens and self.tokens[-1].isspace():
            self.tokens.pop()
        return self._piece("", depth + 1)

    def _fraction(self, before: str, depth: int) -> str:
        above, below = self._argument(depth), self._argument(depth)
        if above.isdigit() and below.isdigit() and before[-1:].isdigit() and "^" not in before and "_" not in before:
            return f" {above}/{below}"  # a mixed number: 1\frac{1}{2} is 1 1/2
        above = above if _FACTOR.fullmatch(above) or _ATOM.fullmatch(above) else f"({above})"
        fraction = f"{above}/{below if _ATOM.fullmatch(below) else f'({below})'}"
        inside = before.rstrip()[-1:].isalnum() or before[-1:] in tuple("/)π√^")
        after = self._next()
        return f"({fraction})" if inside or after.isalnum() or after in tuple("^(√{\\") else fraction

    def _root(self, depth: int) -> str:
        degree = ""
        if self._next() == "[":
            self.tokens.pop()
            while self.tokens and self.tokens[-1] not in "]}":
                degree += self._piece("", depth + 1)
            if self.tokens and self.tokens[-1] == "]":
                self.tokens.pop()
        inner = self._argument(depth)
        return f"root({degree.strip()};{inner})" if degree.strip() not in ("", "2") else f"√({inner})"

    def _next(self) -> str:
        """The first sign after spaces, or that of a command; a backslash for one that multiplies, such as `\\sqrt`."""
        token = next(self._ahead(), "")
        if token[:1] != "\\":
            return token[:1]
        name = token[1:].rstrip("*")
        sign = _SIGNS.get(name, "")
        if name in _TEXT or name in _SPACES:
            return ""
        return (sign.strip() or "\\")[:1] if name in _SIGNS else "" if name in _SILENT else "\\"

    def _next_is(self, signs: str) -> bool:
        return next(self._ahead(), "")[:1] in tuple(signs)

    def _ahead(self) -> Iterator[str]:
        for place in range(len(self.tokens) - 1, max(-1, len(self.tokens) - 9), -1):
            if not self.tokens[place].isspace():
                yield self.tokens[place]
