"""Sent to a machine that has nothing of ours, and run there by its own Python: what is there to build on?

It stands on the standard library alone, in words that old Pythons know too, so that they can say they are.
"""

import fcntl
import json
import os
import shutil
import sys
import tempfile

sys.path[:] = [folder for folder in sys.path if folder]  # a folder in the home may have the package's name


def probe():
    """What a runner needs, as it is found here."""
    home = os.environ.get("AML_REMOTE_HOME") or os.path.join(os.path.expanduser("~"), ".aml")
    found = {
        "python": list(sys.version_info[:3]),
        "executable": sys.executable,
        "home": home,
        "machine": "-".join([sys.platform, os.uname().machine]),
        "package": None,
        "venv": False,
    }
    try:
        os.makedirs(home, 0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"x")
            file.flush()
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found["free"] = shutil.disk_usage(home).free
    except OSError as error:
        found["problem"] = "%s: %s" % (home, error.strerror)
    try:
        import ensurepip  # noqa: F401 - whether a venv gets a pip
        import venv  # noqa: F401

        found["venv"] = True
    except ImportError:
        pass
    try:
        import jupyter_aml

        found["package"] = jupyter_aml.__version__
    except Exception:  # noqa: BLE001 - one that cannot be imported is as good as none
        pass
    return found


print("\nAML-PROBE " + json.dumps(probe()))
