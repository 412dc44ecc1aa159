"""Mail in local files: mbox, Maildir, .eml, and the spool of the embedded gateway."""
