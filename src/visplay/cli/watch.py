"""`visplay watch`: a run as a page in the browser."""

from __future__ import annotations

import argparse
from pathlib import Path

from visplay.cli.common import IMPORT, TRUST
from visplay.cli.interrupts import unwind_from_here
from visplay.errors import visible


def add_flags(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("run", type=Path, metavar="RUN")
    add("--port", type=int, default=8765, help="0 takes a free one; default: %(default)s")
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="to listen at; default: this machine only")
    add("--import", **IMPORT)
    add("--trust-remote-code", **TRUST)
    add("--allow-host", action="append", default=[], metavar="NAME", help="also answer to this name")


def run(options: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C, which raises KeyboardInterrupt."""
    from visplay.runs import check_run

    check_run(options.run)
    from visplay.report.server import watch

    def tell(address: str) -> None:
        print(f"{visible(options.run)} is shown at {address} (Ctrl-C ends it)", flush=True)

    unwind_from_here()
    watch(options.run, options.host, options.port, options.allow_host, tell, options.trust_remote_code)
    return 0
