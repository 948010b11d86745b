"""Data: where it lies (datastores), what of it is named and versioned (data assets), and tables over it.

A data asset is a name with versions that never change. Its bytes are the workspace's own, kept once by their
digest, or they stay where they are in a datastore and a fingerprint says whether they are still the same. A
tabular dataset is a lazy table over either: nothing is read before it is asked for.
"""
