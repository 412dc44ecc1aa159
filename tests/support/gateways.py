"""Gateways for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from muniment.gateway.smtp import GatewaySettings, SmtpGateway

Start = Callable[..., SmtpGateway]
"""Starts a gateway; the arguments are fields of its settings."""


@contextmanager
def starter(folder: Path, *addresses: str) -> Iterator[Start]:
    """Give a function that starts gateways on free ports. They have their spool in `folder`.

    They take mail for `addresses`, unless a call says otherwise, and end with the block.
    """
    with ExitStack() as stack:

        def begin(**fields: object) -> SmtpGateway:
            values = {"spool": folder / "spool", "addresses": addresses, "port": 0} | fields
            return stack.enter_context(SmtpGateway(GatewaySettings(**values)))  # type: ignore[arg-type]

        yield begin
