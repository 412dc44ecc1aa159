"""What must be kept, and what may go: selections of mail, legal holds, and approvals by a second person."""
