"""Runs as they are shown: mime bundles for notebooks, renderables for terminals.

A floor below tracking: pure functions from plain data (runs as the REST API writes them, histories of
metrics) to what front ends show. They know no handle, no IPython and no HTTP; the same data give the same
bytes, on every machine of the same time zone. What they promise of the HTML: static, no script, nothing
fetched, everything that comes from data escaped, and only such tags, attributes and styles as JupyterLab's
sanitizer lets pass, so that an untrusted notebook shows the same card as a trusted one. Drawings travel as
``<img src="data:image/svg+xml...">`` because that sanitizer drops ``<svg>``.
"""

from __future__ import annotations

from jupyter_aml.cards.bundle import COMPARE_MIME, RUN_MIME, RUNS_MIME
from jupyter_aml.cards.card import run_card
from jupyter_aml.cards.compare import comparison
from jupyter_aml.cards.spark import spark_text, sparkline
from jupyter_aml.cards.table import run_table

__all__ = [
    "COMPARE_MIME",
    "RUNS_MIME",
    "RUN_MIME",
    "comparison",
    "run_card",
    "run_table",
    "spark_text",
    "sparkline",
]
