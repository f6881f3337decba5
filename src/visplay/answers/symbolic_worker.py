"""The process behind `symbolic`: reads formulas, one request a line, and says whether they are the same.

A formula is read by the grammar below and never evaluated as code. It is taken for the same as another if their values
agree to twenty digits for several values of their variables. Run by its path; sympy is all that it imports.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import sys
from collections.abc import Iterator
from typing import Any

signal.signal(signal.SIGINT, signal.SIG_IGN)

import sympy  # noqa: E402

_SECONDS = 2.0  # of computation for a request; then the system ends this process
_BYTES = 2 * 2**30
_LONGEST_POWER = 2000  # of an exponent that is computed exactly
_DIGITS = 40
_CLOSE = sympy.Float("1e-20")
_TOKEN = re.compile(
    r"(?P<number>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
    r"|(?P<function>arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log(?:_(?:[0-9]+|[a-z]))?|ln|lg|exp|root|binom|sqrt)"
    r"|(?P<name>(?:pi|[A-Za-zα-ωΓΔΘΛΞΠΣΦΨΩ])(?:_(?:[0-9A-Za-z]+|\([0-9A-Za-z,]+\)))?)"
    r"|(?P<sign>[+\-*/^()!|√∛∞°±∓;])|(?P<space> )"
)
_FUNCTIONS = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec, "csc": sympy.csc,
    "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan, "sinh": sympy.sinh, "cosh": sympy.cosh,
    "tanh": sympy.tanh, "ln": sympy.log, "exp": sympy.exp, "sqrt": sympy.sqrt,
    "lg": lambda value: sympy.log(value) / sympy.log(10), "log": lambda value: sympy.log(value) / sympy.log(10),
}  # fmt: skip
_CONSTANTS = {"π": sympy.pi, "pi": sympy.pi, "e": sympy.E, "i": sympy.I}
_POINTS = ((3, 7), (-5, 3), (11, 13), (-2, 9))  # numerators and denominators that the variables' values start from


class _Unreadable(Exception):
    pass


class _Parser:
    """Reads a formula by recursive descent; `sign` is that of ±."""

    def __init__(self, text: str, sign: int) -> None:
        self.tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise _Unreadable(text)
            self.tokens.append((str(found.lastgroup), found[0]))
            place = found.end()
        self.place = 0
        self.sign = sign

    def read(self) -> Any:
        value = self._sum()
        if self.place < len(self.tokens):
            raise _Unreadable(self.tokens[self.place])
        return value

    @property
    def _next(self) -> tuple[str, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else ("end", "")

    def _take(self, *signs: str) -> str:
        kind, sign = self._next
        if kind == "sign" and sign in signs:
            self.place += 1
            return sign
        return ""

    def _need(self, sign: str) -> None:
        if not self._take(sign):
            raise _Unreadable(sign)

    def _sum(self) -> Any:
        total: Any = sympy.Integer(0)
        first = True
        while True:
            operation = self._take("+", "-", "±", "∓")
            if not operation and not first:
                return total
            factor = {"-": -1, "±": self.sign, "∓": -self.sign}.get(operation, 1)
            total += factor * self._product()
            first = False

    def _product(self) -> Any:
        value, divided = self._power(), False
        while True:
            if self._take("*"):
                value *= self._signed()
            elif self._take("/"):
                value /= self._signed()
                divided = True
                continue
            elif self._begins_factor():
                if divided:  # 1/2x: half of x, or one over 2x
                    raise _Unreadable("/")
                value *= self._power()
            else:
                return value
            divided = False

    def _begins_factor(self) -> bool:
        kind, sign = self._next
        if kind == "space":  # x^1 2 is twice x; 1 1/2 inside a formula is no product
            self.place += 1
            return self.tokens[self.place - 2][0] == "name" or self.tokens[self.place - 3 : self.place - 2] == [
                ("sign", "^")
            ]
        if kind == "number" and self.place and self.tokens[self.place - 1][0] == "number":
            return False
        return kind in ("number", "name", "function") or (kind == "sign" and sign in "(√∛")

    def _signed(self) -> Any:
        return -self._power() if self._take("-") else self._power()

    def _power(self) -> Any:
        value = self._postfix()
        if not self._take("^"):
            return value
        exponent = self._signed()
        if value.is_Rational and exponent.is_Rational and abs(exponent) > _LONGEST_POWER:
            return sympy.Pow(value, exponent, evaluate=False)
        return value**exponent

    def _postfix(self) -> Any:
        value = self._atom()
        while True:
            if self._take("!"):
                if value.is_Integer and value > _LONGEST_POWER:
                    raise _Unreadable("!")
                value = sympy.factorial(value)
            elif self._take("°"):
                value *= sympy.pi / 180
            else:
                return value

    def _atom(self) -> Any:
        kind, text = self._next
        self.place += 1
        if kind == "number":
            return sympy.Rational(text if text[0] != "." else f"0{text}")
        if kind == "name":
            return _CONSTANTS.get(text) or sympy.Symbol(text)
        if kind == "function":
            return self._function(text)
        if text == "(":
            value = self._sum()
            self._need(")")
            return value
        if text == "|":
            value = self._sum()
            self._need("|")
            return sympy.Abs(value)
        if text == "√":
            return sympy.sqrt(self._atom())
        if text == "∛":
            return sympy.real_root(self._atom(), 3)
        if text == "∞":
            return sympy.oo
        raise _Unreadable(text)

    def _function(self, name: str) -> Any:
        if name in ("root", "binom"):
            self._need("(")
            first = self._sum()
            self._need(";")
            second = self._sum()
            self._need(")")
            if name == "binom":
                return sympy.binomial(first, second)
            return sympy.real_root(second, first) if first.is_Integer else second ** (1 / first)
        name, _, base = name.partition("_")
        if self._next[0] == "space":
            self.place += 1
        power = self._signed() if self._take("^") else None
        if power == -1:
            raise _Unreadable("an inverse, or one divided by the function")
        kind, text = self._next
        value = self._postfix() if kind == "sign" and text in "(|" else self._argument()
        result = _FUNCTIONS[name](value)
        if base:
            result *= sympy.log(10) / sympy.log(sympy.Rational(base) if base.isdigit() else sympy.Symbol(base))
        return result if power is None else result**power

    def _argument(self) -> Any:
        """What a function without brackets is of: `sin 2x`."""
        value = self._power()
        while self._next[0] in ("number", "name"):
            value *= self._power()
        return value


def _values(text: str) -> list[Any]:
    """The value, or both values of what has a ±."""
    signs = (1, -1) if "±" in text or "∓" in text else (1,)
    return [_Parser(text, sign).read() for sign in signs]


def _points(*formulas: Any) -> Iterator[dict[Any, Any]]:
    symbols = sorted(set().union(*(formula.free_symbols for formula in formulas)), key=str)
    for above, below in _POINTS[: None if symbols else 1]:
        yield {symbol: sympy.Rational(above * (3 * n + 1) + n, below + 2 * n) for n, symbol in enumerate(symbols)}


def _equal(left: Any, right: Any, step: Any) -> bool:
    if left == right:
        return True
    compared = 0
    for point in _points(left, right):
        first, second = (sympy.N(side.subs(point), _DIGITS) for side in (left, right))
        if not (first.is_number and second.is_number and first.is_finite and second.is_finite):
            continue
        if sympy.Abs(first - second) > max(step / 2, _CLOSE * max(1, sympy.Abs(first), sympy.Abs(second))):
            return False
        compared += 1
    return compared > 0


def _same_values(left: str, right: str, step: Any) -> bool:
    mine, others = _values(left), _values(right)
    paired = all(any(_equal(one, other, step) for other in others) for one in mine)
    return paired and all(any(_equal(one, other, step) for one in mine) for other in others)


def _same_line(left: list[str], right: list[str]) -> bool:
    """Whether two equations hold for the same values: their differences have a constant ratio."""
    first, second = (_Parser(one, 1).read() - _Parser(other, 1).read() for one, other in (left, right))
    if not first.free_symbols or first.free_symbols != second.free_symbols:
        return False
    ratios = []
    for point in _points(first, second):
        above, below = (sympy.N(side.subs(point), _DIGITS) for side in (first, second))
        if not (above.is_finite and below.is_finite) or below == 0:
            return False
        ratios.append(above / below)
    return ratios[0] != 0 and all(abs(ratio / ratios[0] - 1) < _CLOSE for ratio in ratios)


def _answer(request: dict[str, Any]) -> bool:
    left, right = request["left"], request["right"]
    try:
        if isinstance(left, str):
            return _same_values(left, right, sympy.Rational(request["step"]))
        return _same_line(left, right)
    except MemoryError:
        raise
    except Exception:  # whatever sympy makes of a formula that it cannot handle
        return False


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_PROF, _SECONDS)
        same = _answer(json.loads(line))
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(b"1\n" if same else b"0\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
