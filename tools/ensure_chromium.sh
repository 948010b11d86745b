#!/usr/bin/env bash
# See that the browser tests find a Chromium; where they cannot, say in one line that they will be skipped.
set -euo pipefail
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
[ -n "${AML_CHROMIUM:-}" ] && exit 0
"$(dirname "$0")/apt_install.sh" chromium fonts-liberation && exit 0
echo "No Chromium here and none could be installed (apt-get install chromium): the browser tests will be skipped."
