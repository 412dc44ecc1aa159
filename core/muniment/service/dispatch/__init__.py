"""From a request to the operation that answers it: length limits, roles, audit trail, handler."""
