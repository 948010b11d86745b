"""Environments: the Python and the packages a job runs with, described once and built where the job runs.

An environment is a name with numbered versions; a version is a definition (requirements, a Python, variables)
and never changes. Its *lock* is every package with version and hashes, resolved when it is first needed. What
is built is a virtual environment keyed by the hash of lock and Python, made once for all that want it.
"""
