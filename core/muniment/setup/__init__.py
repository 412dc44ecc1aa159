"""The set-up checklist: steps, and how each is checked."""
