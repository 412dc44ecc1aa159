"""Commands about how long mail is kept: legal holds, rules and approvals."""
