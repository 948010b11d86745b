"""Which installed kernel runs a notebook.

A notebook names the kernel it was written with, and that name often means nothing here
(``python38-azureml`` on somebody's compute instance). A Python notebook then runs with this Python; one of
another language is refused, because nothing here could run it.
"""

from __future__ import annotations

from nbformat import NotebookNode

from jupyter_aml.errors import InvalidError

OWN_KERNEL = "python3"


def kernel_of(notebook: NotebookNode) -> str:
    """The name of an installed kernelspec for ``notebook``; `InvalidError` where there can be none."""
    from jupyter_client.kernelspec import KernelSpecManager

    spec = notebook.metadata.get("kernelspec", {})
    name = str(spec.get("name") or OWN_KERNEL)
    if name == OWN_KERNEL:
        return OWN_KERNEL
    installed = KernelSpecManager().find_kernel_specs()
    if name in installed:
        return name
    language = spec.get("language") or notebook.metadata.get("language_info", {}).get("name") or "python"
    if str(language).lower() in ("python", "python3", "ipython"):
        return OWN_KERNEL
    raise InvalidError(
        f"The notebook asks for the kernel {name[:80]!r} ({str(language)[:40]}), which is not here.",
        hint=f"Installed kernels: {', '.join(sorted(installed)) or 'none'}.",
    )
