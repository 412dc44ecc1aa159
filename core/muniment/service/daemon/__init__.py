"""The service as a process of the system: `muniment service`, systemd, the watchdog, notifications."""
