"""The process of the simulated market: takes its configuration as one line of JSON, and serves until its input ends.

It is started by `desk.offline_market` and by nobody else. Its input ends with the run that started it, whichever way
that ended, so it is never left behind. It keeps nothing.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

import trio

from desk.exits import EXIT_USAGE
from desk.loading import tell_errors
from runtime.classes import params_of
from runtime.clock import LiveClock
from runtime.config.errors import ConfigErrors
from runtime.config.load import load_tree
from runtime.logs import configure_logs, get_logger
from runtime.session import Session
from runtime.supervisor import ShutdownReport
from runtime.trial import plan_checked

# However the end was asked for, it is not waited for longer.
END_SECONDS = 2.0
READ_BYTES = 65_536


def main() -> int:
    """Run it; gives the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tree = json.loads(sys.stdin.buffer.readline())
    try:
        blueprint = plan_checked(load_tree(tree, tree["name"], params_of=params_of))
    except ConfigErrors as errors:
        tell_errors(errors)
        return EXIT_USAGE
    clock = LiveClock()
    logs = configure_logs(blueprint.config.log, sys.stderr, clock.now_ns)
    try:
        with Session(blueprint, clock, get_logger("hftrun")) as session:
            report = trio.run(_run, session)
    finally:
        logs.close()
    return 0 if report.orderly else 1


async def _run(session: Session) -> ShutdownReport:
    token = trio.lowlevel.current_trio_token()

    def wait_for_end() -> None:
        while os.read(0, READ_BYTES):
            pass
        timer = threading.Timer(END_SECONDS, os._exit, (1,))
        timer.daemon = True
        timer.start()
        token.run_sync_soon(session.system.supervisor.request_shutdown, "the run that it belongs to has ended")

    threading.Thread(target=wait_for_end, daemon=True).start()
    return await session.run()


if __name__ == "__main__":
    sys.exit(main())
