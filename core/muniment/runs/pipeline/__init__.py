"""The stages of a run that work in the service's process."""
