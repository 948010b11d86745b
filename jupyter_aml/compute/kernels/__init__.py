"""Kernels on compute instances: what makes a running instance a place to run notebooks.

The service writes a kernelspec for each instance (`specs`), Jupyter finds it in the workspace's folder and
starts it by our provisioner (`provisioner`), which asks the service for the instance's slice (`operations`)
and starts the kernel inside. From then on it is a local kernel like any other.
"""
