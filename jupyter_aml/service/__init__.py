"""The one process that owns a workspace: its REST application and the loops behind it."""
