"""Formulas are compared in a process of their own: what hangs or grows ends it, and it ends with the one that asks."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from visplay.answers import match, symbolic, vote
from visplay.answers.symbolic import same_equation, same_formula

HANGS = "9^9^9^2"
GROWS = "(1+x)^2000*(1+y)^2000"


def running(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("formula", ["x+1", "2√3", "sin(x)^2", "(a+b)/c", "|x-1|", "root(3;x)", "n!"])
def test_a_formula_is_the_same_as_itself_and_not_as_another(formula: str) -> None:
    assert same_formula(formula, f"({formula})")
    assert not same_formula(formula, f"({formula})+1")


@pytest.mark.parametrize(
    "text", ["", "(", "x+", "1 2", "1/2x", "__import__('os')", "x.y", "√", "2^", "root(3)", "))", "∞-∞"]
)
def test_what_cannot_be_read_is_the_same_as_nothing(text: str) -> None:
    assert not same_formula(text, "0")
    assert not same_equation((text, "1"), (text, "2"))


def test_equations_are_the_same_up_to_a_factor() -> None:
    assert same_equation(("2x+y", "5"), ("4x+2y", "10"))
    assert not same_equation(("2x+y", "5"), ("2x+y", "6"))
    assert not same_equation(("x", "5"), ("y", "5"))


def test_roots_of_negative_numbers_and_of_squares() -> None:
    assert same_formula("|x|", "√(x^2)") and not same_formula("x", "√(x^2)")
    assert same_formula("root(3;-8)", "-2")


@pytest.mark.parametrize("formula", [HANGS, "2^2^2^2^2^2^2", "(10^9)!", "3^(10^10)*2^(10^10)"])
def test_what_takes_too_long_is_unequal_and_the_next_question_is_answered(formula: str) -> None:
    begun = time.monotonic()
    assert not same_formula(formula, "1")
    assert time.monotonic() - begun < 20
    assert same_formula("y+2", "2+y") and not same_formula("y+2", "2-y")


def test_the_memory_of_the_process_is_limited() -> None:
    assert same_formula("z+1", "1+z")
    process = symbolic._worker.process
    assert process is not None
    with open(f"/proc/{process.pid}/limits", encoding="ascii") as file:
        limits = {line[:26].strip(): line[26:].split()[0] for line in file}
    assert int(limits["Max address space"]) <= 2 * 2**30


def test_a_process_that_was_killed_is_replaced() -> None:
    assert same_formula("k+1", "1+k")
    before = symbolic._worker.process
    assert before is not None
    before.kill()
    before.wait()
    assert same_formula("k+2", "2+k")
    assert symbolic._worker.process is not before


def test_plain_answers_start_no_process() -> None:
    asks = (
        "import sys; from visplay.answers import match, symbolic, vote\n"
        "plain = ['A. red', 'B', 'yes', 'no', '5 cm', '50 mm', 'a cat', '3:30', '10-20', 'north-west', '1/2', '$5']\n"
        "assert not match('red', 'blue') and vote(plain)[0]\n"
        "assert symbolic._worker.process is None and 'sympy' not in sys.modules and 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", asks], check=True)


@pytest.mark.parametrize("end", ["pass", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_the_process_ends_with_the_one_that_asks(end: str) -> None:
    asks = (
        "from visplay.answers import match, symbolic\n"
        "assert match('x+1', '1+x')\n"
        f"print(symbolic._worker.process.pid, flush=True)\n{end}\n"
    )
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True)
    process = int(done.stdout)
    until = time.monotonic() + 10
    while running(process) and time.monotonic() < until:
        time.sleep(0.05)
    assert not running(process) and done.stderr == ""


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_asks_a_process_of_its_own() -> None:
    assert same_formula("f+1", "1+f")
    ours = symbolic._worker.process
    assert ours is not None
    child = os.fork()
    if child == 0:
        right = same_formula("f+2", "2+f") and symbolic._worker.process.pid != ours.pid  # type: ignore[union-attr]
        symbolic._worker.end()
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert same_formula("f+3", "3+f") and symbolic._worker.process is ours


def test_formulas_vote_together() -> None:
    assert vote([r"\frac{\sqrt{12}}{2}", r"\sqrt{3}", "√3", "2", None]) == (r"\frac{\sqrt{12}}{2}", 0.6, 1)
    assert match("1.7321", r"\sqrt{3}") and not match("1.7", r"\sqrt{3}")
