"""What the status line says of a list of mail: how much there is, in which order, and what is selected."""

from __future__ import annotations

from textual.content import Content

from muniment.api import Search
from muniment.system.formatting import count
from muniment_tui.messages.exporting import messages
from muniment_tui.messages.listing import RELEVANT, MailListing
from muniment_tui.terminal.safe_text import joined


def list_status(listing: MailListing, marked: int, whole: bool) -> Content:
    """The status of a list with `marked` messages, or of which the `whole` is selected."""
    about = "" if listing.exact else "about "
    parts = [f"{about}{messages(max(listing.hits.total, listing.total))}"]
    if isinstance(listing.request, Search):
        parts[0] += f" in {listing.hits.seconds:.2f} s" if listing.hits.seconds else ""
    if listing.order == RELEVANT and listing.hits.total > listing.total:
        parts.append(f"the best {count(listing.total)} are listed")
    parts.append(listing.order)
    if listing.hits.behind:
        parts.append(f"{count(listing.hits.behind)} not searchable yet")
    chosen = _chosen_words(listing, marked, whole)
    return joined((f"{chosen} · " if chosen else "", "bold $accent"), (" · ".join(parts), ""))


def _chosen_words(listing: MailListing, marked: int, whole: bool) -> str:
    if whole:
        return f"all {count(listing.hits.total)} selected"
    return f"{count(marked)} marked" if marked else ""
