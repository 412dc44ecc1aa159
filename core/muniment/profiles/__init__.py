"""The fields of a profile, for the engine and for its clients."""
