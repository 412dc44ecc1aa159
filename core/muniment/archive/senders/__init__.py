"""Evidence of who sent a message: the results of its signatures, and the keys that they were judged by."""
