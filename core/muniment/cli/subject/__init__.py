"""The commands of a person's request for the mail about them."""
