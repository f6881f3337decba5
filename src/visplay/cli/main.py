"""The program `visplay`: handles signals, then imports its commands and runs one."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from visplay.cli import interrupts
from visplay.distributed.children import end_with_parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run a command.

    Args:
        arguments: of a call from Python, which leaves the signals as they are; None for those of the process.
    Returns:
        The exit status: 0; 1 when a run of a matrix failed or a plan does not fit; 2 when the input was wrong; 3 when a
        run learned nothing; 130, 143 or 129 when Ctrl-C, SIGTERM or SIGHUP interrupted it.
    """
    end_with_parent()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:
        interrupts.install(words)
    try:
        from visplay.cli.program import run_command

        return run_command(words)
    except KeyboardInterrupt as stop:
        return interrupts.tell(words, getattr(stop, "number", 2))
    except Exception:
        # Libraries turn an interruption of their imports and callbacks into errors of their own.
        if (number := interrupts.received()) is not None:
            return interrupts.tell(words, number)
        raise
    finally:
        interrupts.end()
