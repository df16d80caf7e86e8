#!/bin/sh
# Prints the path of an interpreter that can run this project: PYTHON if set, else the first of the known names.
# It must be Python 3.11 or newer and able to make a virtual environment. Ends with 1 and the remedy if there is none.
set -u

usable() {
    "$1" -I -c 'import sys, venv, ensurepip; sys.version_info >= (3, 11) or sys.exit(1); print(sys.executable)' 2>/dev/null
}

if [ -n "${PYTHON:-}" ]; then
    usable "$PYTHON" && exit 0
    echo "PYTHON=$PYTHON cannot be used: it must be Python 3.11 or newer with the venv module." >&2
    exit 1
fi
for name in python3.13 python3.12 python3.11 python3 python; do
    usable "$name" && exit 0
done
cat >&2 <<'END'
No usable Python was found: Python 3.11 or newer with its venv module is needed.
  Debian, Ubuntu: apt-get install python3 python3-venv python3-dev
  Fedora:         dnf install python3 python3-devel
  macOS:          brew install python@3.13
If it is installed under another name, give it: make setup PYTHON=/path/to/python3
END
exit 1
