"""What the app knows of the vault's service, for the top bar. The screens that watch the runs report it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from muniment.api import ProfileState


class ServiceFacts(Struct, frozen=True):
    """Whether the service answers, and which runs are at work."""

    answers: bool | None = None
    """None until the service was asked."""
    folder: str = ""
    """The vault's folder, as the service names it."""
    running: tuple[str, ...] = ()
    """The profiles with a run at work."""
    demo: bool = False
    """Whether the vault is that of the demo."""

    def came(self, folder: str, demo: bool = False) -> ServiceFacts:
        """The facts after the service has named its folder."""
        return msgspec.structs.replace(self, answers=True, folder=folder, demo=demo)

    def runs(self, profiles: Iterable[ProfileState]) -> ServiceFacts:
        """The facts after the service has reported the state of its profiles."""
        names = tuple(one.name for one in profiles if one.running and one.running.stage != "waiting")
        return msgspec.structs.replace(self, answers=True, running=names)

    def lost(self) -> ServiceFacts:
        """The facts after the service has not answered."""
        return msgspec.structs.replace(self, answers=False, running=())
