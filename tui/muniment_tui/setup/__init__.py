"""The Setup area: the checklist, and the state of health."""
