"""The service as a program: systemd, watchdog, alerts."""
