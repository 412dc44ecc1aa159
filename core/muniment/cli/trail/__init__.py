"""Events of the audit trail in words, as lines and as CSV."""
