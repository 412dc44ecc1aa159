"""Where mail is fetched from: a folder of modules for each kind, and one protocol for all (`base.Source`)."""
