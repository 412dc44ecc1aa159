"""Requests of people for the mail about them: what was collected, what was decided, and the package."""
