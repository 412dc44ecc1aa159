"""Erased frames: which are right, and which are damage."""
