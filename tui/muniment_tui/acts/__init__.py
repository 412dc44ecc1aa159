"""What several areas share: forms, requests that need a reason, work under way."""
