from support.screens import frozen, picture
from support.terminal import sshd, terminal

__all__ = ["frozen", "picture", "sshd", "terminal"]
