"""The full-text index: disposable, and honest about how far it has come."""
