"""Measurements side by side with peers; `make bench` runs them and writes docs/benchmarks.md."""
