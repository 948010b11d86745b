"""The environments that are always there, and what stands in for Azure's curated ones.

Azure's are container images with the Python and the packages of their day. What is used in their place has
the same packages in the versions of today, and says so (`EnvironmentModel.notes`, the run's log).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jupyter_aml.environments.model import Definition

VERSION = "1"


@dataclass(frozen=True)
class Curated:
    """One of them: what it is for, and what is in it."""

    description: str
    definition: Definition


_TABLES = ["numpy", "pandas>=2", "scipy"]
_SKLEARN = [*_TABLES, "scikit-learn>=1.5", "joblib", "matplotlib>=3.8"]
CURATED = {
    "minimal": Curated("Python and nothing but what a run needs", Definition()),
    "sklearn": Curated(
        "scikit-learn, pandas, matplotlib and MLflow's client",
        Definition(requirements=[*_SKLEARN, "mlflow-skinny>=2"]),
    ),
    "automl": Curated(
        "what automated training works with: scikit-learn and gradient boosting",
        Definition(requirements=[*_SKLEARN, "lightgbm>=4", "mlflow-skinny>=2"]),
    ),
    "pytorch-cpu": Curated(
        "PyTorch for the processor, with scikit-learn",
        Definition(requirements=[*_SKLEARN, "torch>=2", "mlflow-skinny>=2"]),
    ),
}
# Azure's names, newest generation first; the first pattern that fits counts.
_ALIASES = [
    (re.compile(r"(azureml-)?(acpt-)?(pytorch|acpt|torch)-.*|acft-.*", re.IGNORECASE), "pytorch-cpu"),
    (re.compile(r"(azureml-)?(ai-ml-)?automl(-.*)?|(azureml-)?lightgbm-.*", re.IGNORECASE), "automl"),
    (re.compile(r"(azureml-)?(sklearn|scikit-learn)-.*", re.IGNORECASE), "sklearn"),
    (re.compile(r"azureml-tutorial|(azureml-)?(mlflow|responsibleai).*", re.IGNORECASE), "sklearn"),
    (re.compile(r"azureml-minimal|(azureml-)?(python-sdk-v2|minimal-.*)", re.IGNORECASE), "minimal"),
]


@dataclass(frozen=True)
class Substitution:
    """The curated environment that stands in for one of Azure's, and the sentence that says so."""

    name: str
    note: str


def substitution(asked: str) -> Substitution | None:
    """What stands in for Azure's curated environment ``asked``; None for a name that is none of theirs."""
    for pattern, name in _ALIASES:
        if pattern.fullmatch(asked):
            about = CURATED[name].description
            note = (
                f"Azure's {asked} is not here; {name}:{VERSION} stands in for it ({about}), in versions of "
                "today and with this machine's Python."
            )
            return Substitution(name, note)
    return None
