"""Sent to a machine that has no package of ours, and run there: an environment is made, and the wheel put in.

The courier appends a call of `set_up`. It stands on the standard library alone. Whoever comes second waits
for the first, and finds it done; one that was broken off is begun again.
"""

import base64
import fcntl
import os
import shutil
import subprocess
import sys

sys.path[:] = [folder for folder in sys.path if folder]  # a folder in the home may have a module's name


def set_up(name, wheel_name, wheel):
    """Have ``runners/<name>`` with the wheel (in base64) installed, or end the process with 1."""
    os.umask(0o077)
    home = os.environ.get("AML_REMOTE_HOME") or os.path.join(os.path.expanduser("~"), ".aml")
    folder = os.path.join(home, "runners", name)
    ready = os.path.join(folder, ".ready")
    os.makedirs(os.path.dirname(folder), 0o700, exist_ok=True)
    with open(folder + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(ready):
            return
        shutil.rmtree(folder, ignore_errors=True)
        run(sys.executable, "-m", "venv", folder)
        path = os.path.join(folder, wheel_name)
        with open(path, "wb") as file:
            file.write(base64.b64decode(wheel))
        python = os.path.join(folder, "bin", "python")
        run(
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--no-compile",
            "--disable-pip-version-check",
            path,
        )
        run(python, "-P", "-c", "import jupyter_aml.jobs.runner")
        os.unlink(path)
        with open(ready, "w"):
            pass


def run(*words):
    """Run a program; what it says comes back over the connection."""
    if subprocess.call(words, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT):
        sys.exit(1)
