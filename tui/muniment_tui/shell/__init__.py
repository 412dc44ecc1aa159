"""The parts around the screens: areas, palette, help, notices."""
