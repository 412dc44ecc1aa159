"""What lives as long as a service: runs and their schedule, sessions, the log that clients watch."""
