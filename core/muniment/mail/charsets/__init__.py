"""Text from bytes in any charset that mail uses."""
