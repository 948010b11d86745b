#!/usr/bin/env bash
# Make a virtual environment: tools/make_venv.sh PYTHON FOLDER
# Debian and Ubuntu ship Python without the part that `python -m venv` needs; it is installed from their
# packages where that needs no password, else one sentence says how.
set -euo pipefail
python=$1
folder=$2

if ! command -v "$python" >/dev/null; then
    echo "There is no $python on this machine: install Python 3.11 or newer, or say make PYTHON=/path/to/python." >&2
    exit 1
fi
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "jupyter_aml needs Python 3.11 or newer and $python is $version: say make PYTHON=/path/to/python3.11." >&2
    exit 1
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package="python$version-venv"
    if ! "$(dirname "$0")/apt_install.sh" "$package"; then
        echo "Python $version here cannot make virtual environments: run sudo apt-get install $package, then make again." >&2
        exit 1
    fi
fi

echo "Making $folder with Python $version"
rm -rf "$folder"
"$python" -m venv "$folder"
