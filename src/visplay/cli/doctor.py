"""`visplay doctor`: what this machine has and lacks; the command fails if something required is missing."""

from __future__ import annotations

import argparse

from visplay.cli.terminal import say


def add_flags(command: argparse.ArgumentParser) -> None:
    """The command has no flags."""


def run(options: argparse.Namespace) -> int:
    from visplay.tools.doctor import examine, healthy, report

    findings = examine()
    say(*report(findings))
    return 0 if healthy(findings) else 1
