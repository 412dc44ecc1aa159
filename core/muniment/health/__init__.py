"""How an archive is: its problems, its growth, silent users. From plain values, without a vault."""
