"""Conformance suites, for whoever implements one of this package's interfaces.

They are pytest tests: import them in tests, where pytest is. Nothing else of the package imports them.
"""
