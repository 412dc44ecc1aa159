"""Muniment: a journal-mail archive that is complete, unchanged, findable, provable."""

__version__ = "0.2.0"
