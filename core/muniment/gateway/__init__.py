"""Where mail arrives: the embedded SMTP mailbox."""
