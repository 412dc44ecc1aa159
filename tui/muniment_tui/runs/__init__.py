"""Runs: what is archived now, and what was."""
