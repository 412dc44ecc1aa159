"""A module for each kind of source: its settings, its entry in the registry, and its own rules."""
