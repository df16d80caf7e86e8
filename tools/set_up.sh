#!/bin/sh
# Starts tools/set_up.py with the interpreter of .venv, or, where there is none yet, with one that can make it.
set -u
cd "$(dirname "$0")/.." || exit 1
if [ -x .venv/bin/python ] && [ -z "${PYTHON:-}" ]; then
    python=.venv/bin/python
else
    python=$(sh tools/find_python.sh) || exit 1
fi
exec "$python" -I tools/set_up.py "$@"
