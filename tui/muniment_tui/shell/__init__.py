"""What surrounds the screens: areas, palette, help, notices."""
