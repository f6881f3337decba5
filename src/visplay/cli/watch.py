"""`visplay watch` and `visplay report`: a run as a page, and the page as one file."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

from visplay.cli.common import Commands


def add(commands: Commands) -> None:
    """Add the command and its flags."""
    watch = commands.add_parser("watch", help="a run as a page in the browser, while it goes or after")
    watch.add_argument("run", type=Path, metavar="RUN")
    watch.add_argument("--port", type=int, default=8765, help="0 takes a free one; default: %(default)s")
    watch.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="to listen at; default: this machine only"
    )
    watch.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="also answer to this name")
    watch.set_defaults(run_command=_watch)
    report = commands.add_parser("report", help="the same page as one file to mail, and results.md beside it")
    report.add_argument("run", type=Path, metavar="RUN")
    report.add_argument("--to", required=True, type=Path, metavar="FILE.html")
    report.add_argument("--most-mib", type=float, default=5.0, metavar="SIZE", help="of the file; default: %(default)s")
    report.set_defaults(run_command=_report)


def _watch(options: argparse.Namespace) -> int:
    from visplay.runs import check_run

    check_run(options.run)
    from visplay.report.server import watch

    def tell(address: str) -> None:
        print(f"{options.run} is shown at {address} (Ctrl-C ends it)", flush=True)

    with suppress(KeyboardInterrupt):
        watch(options.run, options.host, options.port, options.allow_host, tell)
    return 0


def _report(options: argparse.Namespace) -> int:
    from visplay.errors import ConfigError
    from visplay.runs import check_run

    if not options.most_mib > 0:
        raise ConfigError("--most-mib must be more than 0")
    check_run(options.run)
    from visplay.report.one_file import write_report

    results = write_report(options.run, options.to, int(options.most_mib * 2**20))
    print(f"the report is {options.to}, the figures alone are in {results}")
    return 0
