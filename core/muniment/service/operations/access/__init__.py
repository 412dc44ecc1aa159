"""Requests about rights: who may read whose mail, and who could on a day."""
