"""Running one notebook: papermill with our engine, our client, and no file that is half written."""
