"""A machine reached by SSH: runs are carried there, go on there by themselves, and are mirrored back.

On this machine a `courier` stands in the place of the run's runner: it holds the run's lock, so that the
queue, the ingest, the logs and cancelling work as for a run of this machine. On the other one the ordinary
runner works in a run folder of the same form, and an `agent`, started over the one SSH connection there is,
answers what is new. Neither needs the other to go on; no port is opened.
"""
