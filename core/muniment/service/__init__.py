"""Hosts the engine: what each word of the api does."""
