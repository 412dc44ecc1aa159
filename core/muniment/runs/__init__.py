"""One archiving run: its pipeline, its progress and its books; and the schedule of runs."""
