#!/usr/bin/env bash
# See that the tests of attached machines find an sshd; where they cannot, say in one line that they will be skipped.
set -euo pipefail
PATH="$PATH:/usr/sbin:/usr/local/sbin"
command -v sshd >/dev/null && exit 0
"$(dirname "$0")/apt_install.sh" openssh-server openssh-client && exit 0
echo "No sshd here and none could be installed (apt-get install openssh-server): the tests over SSH will be skipped."
