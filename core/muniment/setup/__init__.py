"""The set-up checklist: its steps, what each says, and how each is checked."""
