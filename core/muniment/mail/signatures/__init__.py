"""DKIM and ARC signatures of a message: what they sign, and whether a key confirms them."""
