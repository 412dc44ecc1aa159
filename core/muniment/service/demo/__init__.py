"""`muniment demo`: a vault with sample mail."""
