"""The sizes machines come in: Azure's names with Azure's figures, or plain numbers of cores and bytes.

Prices are dollars an hour for Linux, pay as you go, East US, as Azure listed them in 2024. They are there to
compare and to learn with; nobody is billed.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from jupyter_aml.errors import InvalidError, did_you_mean

LOW_PRIORITY_FACTOR = 0.2  # of the dedicated price
GIB = 1024**3
_UNITS = {"": 1, "B": 1, "K": 1024, "M": 1024**2, "G": GIB, "T": 1024**4}
_MEMORY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([KMGT]?)(?:i?B)?", re.ASCII | re.IGNORECASE)
_SMALLEST_MEMORY = 64 * 1024**2
_SMALLEST_CPUS = 0.1
_CORE_PRICE, _GIB_PRICE = 0.03, 0.004  # what a custom size costs: near the D series


@dataclass(frozen=True)
class Size:
    """A size: ``cpus`` cores, ``memory`` bytes, ``gpus`` devices, ``price`` dollars an hour."""

    name: str
    family: str
    cpus: float
    memory: int
    gpus: int
    price: float

    def __str__(self) -> str:
        gpus = f", {self.gpus} GPU{'s' if self.gpus > 1 else ''}" if self.gpus else ""
        return f"{self.cpus:g} cores, {show_memory(self.memory)}{gpus}"


def _series(family: str, text: str) -> dict[str, Size]:
    """``NAME cores GiB dollars [gpus]`` a line."""
    found = {}
    for line in text.strip().splitlines():
        name, cpus, memory, price, *gpus = line.split()
        found[name.upper()] = Size(
            f"STANDARD_{name.upper()}",
            family,
            float(cpus),
            int(float(memory) * GIB),
            int((gpus or ["0"])[0]),
            float(price),
        )
    return found


SIZES: dict[str, Size] = {
    **_series("standardAv2Family", "A1_v2 1 2 0.043\nA2_v2 2 4 0.091\nA4_v2 4 8 0.191\nA8_v2 8 16 0.4"),
    **_series(
        "standardDv2Family",
        "D1_v2 1 3.5 0.073\nD2_v2 2 7 0.146\nD3_v2 4 14 0.293\nD4_v2 8 28 0.585\nD5_v2 16 56 1.17\n"
        "D11_v2 2 14 0.185\nD12_v2 4 28 0.37\nD13_v2 8 56 0.741\nD14_v2 16 112 1.482",
    ),
    **_series(
        "standardDSv2Family",
        "DS1_v2 1 3.5 0.073\nDS2_v2 2 7 0.146\nDS3_v2 4 14 0.293\nDS4_v2 8 28 0.585\nDS5_v2 16 56 1.17\n"
        "DS11_v2 2 14 0.185\nDS12_v2 4 28 0.37\nDS13_v2 8 56 0.741\nDS14_v2 16 112 1.482",
    ),
    **_series("standardDv3Family", "D2_v3 2 8 0.096\nD4_v3 4 16 0.192\nD8_v3 8 32 0.384\nD16_v3 16 64 0.768"),
    **_series(
        "standardDSv3Family",
        "D2s_v3 2 8 0.096\nD4s_v3 4 16 0.192\nD8s_v3 8 32 0.384\nD16s_v3 16 64 0.768\nD32s_v3 32 128 1.536",
    ),
    **_series(
        "standardDDSv4Family",
        "D2ds_v4 2 8 0.113\nD4ds_v4 4 16 0.226\nD8ds_v4 8 32 0.452\nD16ds_v4 16 64 0.904",
    ),
    **_series(
        "standardDSv5Family", "D2s_v5 2 8 0.096\nD4s_v5 4 16 0.192\nD8s_v5 8 32 0.384\nD16s_v5 16 64 0.768"
    ),
    **_series(
        "standardESv3Family", "E2s_v3 2 16 0.126\nE4s_v3 4 32 0.252\nE8s_v3 8 64 0.504\nE16s_v3 16 128 1.008"
    ),
    **_series("standardEDSv4Family", "E2ds_v4 2 16 0.144\nE4ds_v4 4 32 0.288\nE8ds_v4 8 64 0.576"),
    **_series(
        "standardFSv2Family", "F2s_v2 2 4 0.085\nF4s_v2 4 8 0.169\nF8s_v2 8 16 0.338\nF16s_v2 16 32 0.677"
    ),
    **_series("standardNCFamily", "NC6 6 56 0.9 1\nNC12 12 112 1.8 2\nNC24 24 224 3.6 4"),
    **_series("standardNCSv3Family", "NC6s_v3 6 112 3.06 1\nNC12s_v3 12 224 6.12 2\nNC24s_v3 24 448 12.24 4"),
    **_series(
        "standardNCASv3_T4Family",
        "NC4as_T4_v3 4 28 0.526 1\nNC8as_T4_v3 8 56 0.752 1\nNC16as_T4_v3 16 110 1.204 1",
    ),
    **_series("standardNVFamily", "NV6 6 56 1.14 1\nNV12 12 112 2.28 2"),
    **_series("standardNCADSA100v4Family", "NC24ads_A100_v4 24 220 3.673 1\nNC48ads_A100_v4 48 440 7.346 2"),
    **_series("standardNDv2Family", "ND40rs_v2 40 672 22.03 8"),
}


def size_of(name: str) -> Size:
    """The size of that name, in any case, with or without ``STANDARD_``."""
    short = name.strip().upper().removeprefix("STANDARD_")
    if short in SIZES:
        return SIZES[short]
    close = did_you_mean(f"STANDARD_{short}", [size.name for size in SIZES.values()])
    raise InvalidError(
        f"There is no size {name[:60]!r}.",
        hint=close or "List them with: aml compute list-sizes. Or say cpus and memory.",
    )


def plain_size(cpus: float, memory: str | float, gpus: int = 0) -> Size:
    """A size by plain numbers: cores (a part of one counts), memory as bytes or ``"4GiB"``, GPUs."""
    size = parse_memory(memory)
    if not (math.isfinite(cpus) and _SMALLEST_CPUS <= cpus <= 4096):
        raise InvalidError(f"A machine cannot have {cpus} cores.", hint=f"Give {_SMALLEST_CPUS} or more.")
    if not 0 <= gpus <= 64:
        raise InvalidError(f"A machine cannot have {gpus} GPUs.")
    price = round(cpus * _CORE_PRICE + size / GIB * _GIB_PRICE, 4)
    return Size("custom", "custom", cpus, size, gpus, price)


def parse_memory(text: str | float) -> int:
    """Bytes for ``4GiB``, ``512M``, ``1.5 GB`` (units of 1024, whatever they are called) or a number."""
    if isinstance(text, str):
        match = _MEMORY.fullmatch(text.strip())
        if match is None:
            raise InvalidError(f"{text[:40]!r} is no amount of memory.", hint="Write 4GiB or 512MiB.")
        text = float(match[1]) * _UNITS[match[2].upper()]
    if not (math.isfinite(text) and _SMALLEST_MEMORY <= text <= 2**50):
        raise InvalidError(
            f"A machine cannot have {show_memory(text) if math.isfinite(text) else text} of memory.",
            hint=f"Give {show_memory(_SMALLEST_MEMORY)} or more.",
        )
    return int(text)


def show_memory(size: float) -> str:
    """A number of bytes for people."""
    for unit, factor in (("TiB", 1024**4), ("GiB", GIB), ("MiB", 1024**2), ("KiB", 1024)):
        if abs(size) >= factor:
            return f"{size / factor:.4g} {unit}"
    return f"{size:.0f} bytes"
