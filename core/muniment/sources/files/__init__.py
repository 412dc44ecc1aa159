"""Mail in files: mbox, Maildir, .eml, and the gateway's spool."""
