"""From a request to the operation that answers it."""
