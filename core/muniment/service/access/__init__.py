"""Roles of callers, and the audit trail."""
