"""Jobs: what is submitted, what is run, and what comes of it."""
