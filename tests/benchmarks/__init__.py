"""Benchmarks: ratios in one run against a peer or the physical limit. Not run by pytest; `make bench` runs them."""
