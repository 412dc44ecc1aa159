"""One archiving run: the pipeline, its progress, its books; the schedule."""
