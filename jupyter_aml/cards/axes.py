"""Round numbers for the axes of charts."""

from __future__ import annotations

import math
import sys

from jupyter_aml.cards.series import Extent

_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)


def ticks(extent: Extent, count: int) -> list[tuple[float, str]]:
    """About ``count`` round values within ``extent``, each with the text to write at it.

    Steps are 1, 2, 2.5 or 5 times a power of ten. Where the extent is too narrow or too wide for round steps
    its two ends are returned.
    """
    step = _step(extent, count)
    if step is None:
        return [(value, f"{value:.4g}") for value in dict.fromkeys(extent)]
    first = math.ceil(extent.low / step - 1e-9)
    last = math.floor(extent.high / step + 1e-9)
    return [(index * step, _text(index * step, step)) for index in range(first, last + 1)]


def padded(extent: Extent, share: float = 0.06) -> Extent:
    """``extent`` with some air on both sides, so that no line runs along the frame."""
    air = extent.high * share - extent.low * share
    if air == 0:
        air = abs(extent.high) * share or 1.0
    return Extent(_bounded(extent.low - air), _bounded(extent.high + air))


def _step(extent: Extent, count: int) -> float | None:
    rough = extent.high / count - extent.low / count
    size = max(abs(extent.low), abs(extent.high))
    if not 1e-290 < rough < 1e290 or rough < size * 1e-12:
        return None
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in _ROUND if power * factor >= rough * 0.999)


def _text(value: float, step: float) -> str:
    size = max(abs(value), step)
    if size >= 1e6 or step < 1e-5:
        return "0" if value == 0 else f"{value:.3g}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    # 2.5, 0.25...: one digit more than their power of ten says.
    decimals += not math.isclose(round(step, decimals), step, rel_tol=1e-6)
    return f"{value + 0.0:.{decimals}f}"


def _bounded(value: float) -> float:
    return max(-sys.float_info.max, min(sys.float_info.max, value))
