"""Experiments, runs, metrics, params, tags and artifacts; the search over them."""
