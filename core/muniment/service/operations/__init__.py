"""The handlers of requests, one module for each family of them."""
