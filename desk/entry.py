"""The entry of the `hftrun` command: refuses a stale kernel in one line, and is the last to see what nobody expected.

Whatever a user can cause is told in words before it comes here. What does come here is a fault of the program, and is
shown whole, for whoever is to mend it.
"""

from __future__ import annotations

import sys

import hftrun_kernel
from desk.exits import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE
from desk.held_signals import raise_lost_interrupts_again
from desk.output import Output, abandon, open_missing_streams


def main() -> int:
    """Runs the command and gives its exit code."""
    open_missing_streams()
    raise_lost_interrupts_again()
    told = Output(sys.stderr)
    try:
        code = _command(told)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = _interrupted(told)
    except BrokenPipeError:
        # Whoever read the output has had enough; that is no failure.
        code = EXIT_OK
        abandon(sys.stdout)
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt) is None:
            code = _failed(told, group)
        else:
            code = _interrupted(told)
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else "the output cannot be written: "
        told.say(f"hftrun: {place}{error.strerror or error}")
        code = EXIT_FAILED
        abandon(sys.stdout)
    except Exception as error:
        code = _failed(told, error)
    if told.is_gone:
        abandon(sys.stderr)
    return code


def _command(told: Output) -> int:
    try:
        hftrun_kernel.check()
    except hftrun_kernel.StaleKernel as stale:
        told.say(f"hftrun: {stale}")
        return EXIT_USAGE
    if notice := hftrun_kernel.notice():
        told.say(f"hftrun: {notice}")
    from desk.cli import main as command

    return command()


def _interrupted(told: Output) -> int:
    told.say("", "hftrun: interrupted")
    return EXIT_INTERRUPTED


def _failed(told: Output, error: BaseException) -> int:
    import traceback  # only when something failed

    told.say("hftrun: this is a fault of hftrun, not of what you asked for. Please report it with what follows.")
    told.say("".join(traceback.format_exception(error)).rstrip("\n"))
    return EXIT_FAILED
