"""The embedded gateway: an SMTP server that takes mail into a spool."""
