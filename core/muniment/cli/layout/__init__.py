"""How text is fitted to a terminal: tables, lines wrapped at words, and the columns that a list has."""
