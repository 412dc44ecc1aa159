"""The audit feed: events of the audit trail as syslog messages (RFC 5424) for a SIEM, over TLS (RFC 5425)."""
