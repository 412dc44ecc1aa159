"""Operations on a vault: search, index, verify, back up, export."""
