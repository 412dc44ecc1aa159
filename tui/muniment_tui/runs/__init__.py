"""The Runs area: current and past runs."""
