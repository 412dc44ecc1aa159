"""A module for each family of file formats. Only the worker imports them."""
