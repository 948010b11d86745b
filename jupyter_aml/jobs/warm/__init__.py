"""Warm start: a process that has imported everything a run needs forks runs, instead of Python starting anew.

`pool.py` is the service's side, `server.py` the pool process, `preload.py` what it imports and how that is
proved harmless, `fork.py` the care a forked process needs. Nothing heavy is imported here.
"""
