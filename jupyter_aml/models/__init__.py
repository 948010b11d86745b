"""The model registry: what a run or a folder produced, kept under a name in versions that never change.

A version is a list of files, (path, sha256), whose bytes are the blobs of the run it came from: registering
copies nothing, and what was registered is what is downloaded, loaded and served. What kind of model it is, is
told from names and first bytes; only the user's own process ever loads one.
"""
