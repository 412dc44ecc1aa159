"""Worker processes: where mail is parsed, apart from the service, which only asks and reads the answers."""
