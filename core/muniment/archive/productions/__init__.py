"""Productions for courts and tax offices: numbered documents with load files."""
