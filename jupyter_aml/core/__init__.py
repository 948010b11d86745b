"""The ground floor: identity, paths, bytes, journal, database, operations; nothing of machine learning."""
