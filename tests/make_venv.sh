#!/usr/bin/env bash
# Makes the virtual environment, and says plainly what is missing on the machine if it can't.
# Usage: make_venv.sh PYTHON VENV EXTRAS
set -euo pipefail
python=$1 venv=$2 extras=$3
if ! command -v "$python" >/dev/null 2>&1; then
  echo "Safety Eye needs Python 3.11 or newer, and '$python' is not here: sudo apt install python3 python3-venv" >&2
  exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "Safety Eye needs Python 3.11 or newer; '$python' is $("$python" -V 2>&1). Try: make PYTHON=python3.11" >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
  echo "Python's venv module is missing: sudo apt install python3-venv" >&2
  exit 1
fi
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
echo "Installing Safety Eye and what it depends on ($extras) into $venv …" >&2
"$venv/bin/python" -m pip install --disable-pip-version-check --progress-bar on -q -e ".[$extras]"
