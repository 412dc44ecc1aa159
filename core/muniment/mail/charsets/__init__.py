"""Bytes to text, in every charset that mail uses."""
