"""The Rules area: who may read whose mail, and what must be kept."""
