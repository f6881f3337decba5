"""`visplay doctor`: what this machine has and lacks."""

from __future__ import annotations

import argparse

from visplay.cli.common import Commands


def add(commands: Commands) -> None:
    """Add the command and its flags."""
    doctor = commands.add_parser("doctor", help="what this machine has, what is missing, and what installs it")
    doctor.set_defaults(run_command=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    from visplay.tools.doctor import examine, healthy, report

    findings = examine()
    for line in report(findings):
        print(line)
    return 0 if healthy(findings) else 1
