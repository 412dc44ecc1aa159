"""The catalog in a SQLite file, by SQLAlchemy."""
