"""Worker processes that parse mail. The service only sends requests to them and reads the answers."""
