"""What the process and the machine give: logs, memory, paths, time zones."""
