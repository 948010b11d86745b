"""A package, so that the server and Chromium last for these tests and no longer (pytest's scope ``package``)."""
