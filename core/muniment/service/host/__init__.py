"""Runs, their schedule, and what one client works with."""
