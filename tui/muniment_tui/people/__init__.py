"""The People area: users, their addresses, and changes of them."""
