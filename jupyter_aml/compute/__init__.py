"""The workspace's machines: compute instances, compute clusters and attached machines.

What exists and in which state it shall be is kept in the database (`tables`, `operations`); loops compare
that with the facts and act on the difference (`instances`, `clusters`). An engine (`engines`) makes machines:
the local one of this host's processes, with limits the kernel holds. `compute.py` has the handles.
"""
