"""What ``import jupyter_aml`` costs beyond the interpreter's own start."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 15


def start(code: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - begun) * 1000


def main() -> None:
    start("import jupyter_aml")
    pairs = [(start("pass"), start("import jupyter_aml")) for _ in range(ROUNDS)]
    bare, whole = (statistics.median(values) for values in zip(*pairs, strict=True))
    print(
        f"  import jupyter_aml: {whole - bare:.1f} ms beyond the interpreter's {bare:.1f} ms (wanted: at most 30)"
    )


if __name__ == "__main__":
    main()
