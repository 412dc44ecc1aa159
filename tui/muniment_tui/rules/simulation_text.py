"""What a simulation found, as text."""

from __future__ import annotations

from textual.content import Content

from muniment.api import Simulation
from muniment.system.formatting import count, local, size
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.facts import fact

WIDE = 14
"""Cells of the labels of facts."""
NAMED = 10
"""Most people whom the text names."""


def simulation_text(found: Simulation, width: int) -> Content:
    """What a disposal now would take, for a pane of `width` cells."""
    goes = found.goes
    messages = f"{count(goes.messages)} {'message' if goes.messages == 1 else 'messages'}, {size(goes.bytes)}"
    lines = [fact("Would go now", shown(messages, "bold"), width, WIDE)]
    if goes.messages:
        lines.append(fact("Received", shown(f"{local(goes.oldest)} to {local(goes.newest)}"), width, WIDE))
    for share in found.rules:
        words = joined((share.name, ""), (count(share.messages), "$secondary"), gap="  ")
        lines.append(fact("By", words, width, WIDE))
    for person in found.people[:NAMED]:
        words = joined((person.name, ""), (count(person.messages), "$secondary"), gap="  ")
        lines.append(fact("" if person is not found.people[0] else "Of", words, width, WIDE))
    stay = {"held by a legal hold": found.held, "kept by a rule": found.kept, "not certain": found.unsure}
    kept = ", ".join(f"{count(number)} {why}" for why, number in stay.items() if number)
    lines.append(fact("Due, but stay", shown(kept or "none"), width, WIDE))
    lines.append(
        fact("Compared", shown(f"{count(found.examined)} messages; nothing was changed"), width, WIDE)
    )
    return Content("\n").join(lines)


def taking(found: Simulation) -> Content:
    """What a disposal would take, as a sentence of a question."""
    messages = f"{count(found.goes.messages)} {'message' if found.goes.messages == 1 else 'messages'}"
    return shown(f"A disposal would then take {messages} ({size(found.goes.bytes)}).", "bold")
