"""Exports and productions."""
