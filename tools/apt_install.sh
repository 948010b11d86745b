#!/usr/bin/env bash
# Install Debian packages, if that can be done without a question: tools/apt_install.sh PACKAGE...
# Exit 1, silently, where there is no apt-get, no right to use it, or no such package.
set -euo pipefail
command -v apt-get >/dev/null || exit 1
if [ "$(id -u)" = 0 ]; then
    as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
else
    exit 1
fi

echo "Installing $* from the distribution's packages"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" >>"$log" 2>&1 </dev/null; }
# The lists may be missing or old: refresh them only when the first try fails.
if ! apt install --no-install-recommends "$@"; then
    { apt update && apt install --no-install-recommends "$@"; } || { tail -3 "$log" >&2; exit 1; }
fi
