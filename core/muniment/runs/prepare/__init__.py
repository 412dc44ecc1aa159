"""The stage of a run that works in worker processes."""
