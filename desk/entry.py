"""The entry of the `hftrun` command: refuses a stale kernel in one line, then hands over to the command itself."""

from __future__ import annotations

import sys

import hftrun_kernel


def main() -> int:
    """Runs the command; exit code 2 when the compiled modules do not match their sources."""
    try:
        hftrun_kernel.check()
    except hftrun_kernel.StaleKernel as stale:
        sys.stderr.write(f"hftrun: {stale}\n")
        return 2
    if notice := hftrun_kernel.notice():
        sys.stderr.write(f"hftrun: {notice}\n")
    from desk.cli import main as command

    return command()
