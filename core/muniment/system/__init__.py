"""The process and the machine: logs, memory, priority, paths, time zones, formatting, and the sanitiser."""
