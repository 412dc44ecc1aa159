"""What each step asks for, and where to do it: for Microsoft 365, and for Exchange Server.

Plain text; a line that begins with "- " is an item of a list.
"""

from __future__ import annotations

from collections.abc import Callable

from muniment.setup.model import Situation

Guide = Callable[[Situation], str]

_EXCHANGE_LISTS = "https://aka.ms/o365endpoints"
_PURVIEW = "https://purview.microsoft.com"


def _online(situation: Situation) -> bool:
    return situation.settings.journaling.platform == "microsoft-365"


def organisation(situation: Situation) -> str:
    """Who archives here."""
    return (
        "Say which mail system it is, and which mail domains are the organisation's own. "
        "Whoever has an address there gets an Inbox and a Sent of their own; "
        "all other addresses are strangers'.\n"
        "- microsoft-365: mailboxes in Exchange Online\n"
        "- exchange-server: mailboxes on Exchange Server 2016, 2019 or SE\n"
        "The check looks up where mail for each domain goes."
    )


def report_address(situation: Situation) -> str:
    """Where journal reports go."""
    intro = (
        "For every message the mail system sends a journal report to one mailbox. "
        "That mailbox must not be in Exchange Online: Microsoft does not allow it as a journal target. "
        "Choose where it is:\n"
        "- gateway: a mailbox that a provider's MailStore Gateway hands out (mbx-...)\n"
        "- mailbox: a mailbox of your own on an IMAP or POP3 server, for reports alone\n"
        "- embedded: Muniment takes the reports itself, on this machine\n"
    )
    return intro + _WHERE[situation.settings.journaling.reports](situation)


def _at_gateway(situation: Situation) -> str:
    return (
        "The provider gives you an address, a mailbox id and a password. "
        "The password also decrypts the mailbox: a lost password is lost mail, so keep a copy of it. "
        "Two gateways behind one MX are two profiles."
    )


def _at_mailbox(situation: Situation) -> str:
    return (
        "The server must not judge the reports: they keep the original's From, so that SPF and DMARC fail on "
        "genuine ones. Switch spam filters, size limits and DMARC off for this mailbox. "
        "Nobody else may write to it: whoever could, could forge reports."
    )


def _at_embedded(situation: Situation) -> str:
    source = (
        f"Exchange Online's (entry 10 of {_EXCHANGE_LISTS})"
        if _online(situation)
        else "your Exchange servers'"
    )
    return (
        "Make an MX record for the address's domain that names this machine, and let port 25 in. "
        f"Networks that may deliver: {source}, and 127.0.0.0/8 so that this check can knock. "
        "Give it a certificate, or reports cross the network in clear. "
        "The gateway listens while the service runs."
    )


_WHERE: dict[str, Guide] = {"gateway": _at_gateway, "mailbox": _at_mailbox, "embedded": _at_embedded}


def undeliverable(situation: Situation) -> str:
    """Where reports go that could not be delivered."""
    if not _online(situation):
        return (
            "A report that can't be delivered goes to one mailbox. Set it before the rule. It must be "
            "outside the rule's reach, and not the report address; look into it now and then.\n"
            "- In the Exchange Management Shell, with the command below\n"
            "Then say here that it is set: it can't be seen from outside."
        )
    return (
        "A report that can't be delivered goes to one mailbox. Set it before the rule. It must not be in "
        "Exchange Online, must be outside the rule's reach, and must not be the report address; look into it "
        "now and then. Microsoft may disable a rule two days after it has written about a target that "
        "fails.\n"
        f"- {_PURVIEW} > Settings > Data lifecycle management > Exchange (legacy)\n"
        "- Send undeliverable journal reports to: the address\n"
        "- or with the command below, in Exchange Online PowerShell\n"
        "Then say here that it is set: it can't be seen from outside."
    )


def journal_rule(situation: Situation) -> str:
    """The rule itself."""
    return (_rule_online if _online(situation) else _rule_server)(situation) + (
        "\nThen say here that the rule exists. The first report that arrives proves it."
    )


_SCOPES = (
    "Prefer Global: internal or external is decided by MAIL FROM, so that mail with a forged sender of your "
    "own domain escapes an External rule. "
)


def _rule_online(situation: Situation) -> str:
    journaling = situation.settings.journaling
    return (
        f"- {_PURVIEW} > Solutions > Data lifecycle management > Exchange (legacy) > Journal rules > New\n"
        f"- Send journal reports to: {journaling.address or 'the report address (step 2)'}\n"
        f"- Journal rule name: {journaling.rule} (at most 64 characters)\n"
        f"- Messages sent or received from: {journaling.recipient or 'everyone'} (no wildcards)\n"
        f"- Type of message to journal: {_SCOPE_WORDS[journaling.scope]}\n"
        "Or with the command below. A rule made by PowerShell is disabled unless it says -Enabled $true. "
        + _SCOPES
        + "Keep trying: how many days (0 to 7; 0 is Microsoft's default) Exchange Online queues reports "
        "that it can't deliver."
    )


def _rule_server(situation: Situation) -> str:
    journaling = situation.settings.journaling
    whose = f"a specific user or group: {journaling.recipient}" if journaling.recipient else "all messages"
    return (
        "- Exchange admin centre > Compliance Management > Journal rules > +\n"
        f"- Send journal reports to: {journaling.address or 'the report address (step 2)'}\n"
        "(where Exchange does not find that address, make a mail contact of it first: New-MailContact)\n"
        f"- Name: {journaling.rule} (at most 64 characters)\n"
        f"- If the message is sent to or received from: {whose}\n"
        f"- Journal the following messages: {_SCOPE_WORDS[journaling.scope]}\n"
        "Or with the command below. A rule made by PowerShell is disabled unless it says -Enabled $true. "
        + _SCOPES
    ).rstrip()


_SCOPE_WORDS = {
    "Global": "all messages",
    "Internal": "internal messages only",
    "External": "external messages only",
}


def users(situation: Situation) -> str:
    """Whose folders there are."""
    return (
        "Name the people and all their addresses, so that mail to an alias is filed with its person. "
        "Addresses can be added later: old mail is then filed anew.\n"
        "- The commands below write people.csv where Exchange is\n"
        "- Here: muniment users import people.csv\n"
        "If everybody has one address in the own domains, nothing needs to be named: "
        "say that the step is done, and users are made as their mail comes."
    )


def profile(situation: Situation) -> str:
    """The profile that archives the reports."""
    return "\n".join((_PROFILES[situation.settings.journaling.reports], _NEVER_HERE))


_NEVER_HERE = (
    "Passwords never stand in vault.toml: name a file that holds nothing else, readable by the vault's "
    "owner alone. More settings are on the Profiles screen (muniment profile edit)."
)
_PROFILES = {
    "gateway": (
        "The gateway is fetched from by POP3 on port 110, with STLS before the password is sent. "
        "Of the mailbox id, what follows the @ is not wanted. "
        "What is safely kept here is deleted there, or its mailbox would fill up."
    ),
    "mailbox": (
        "The mailbox is read as one of journal reports: nobody but the mail system may write to it. "
        "Mail stays there unless the profile says delete = true."
    ),
    "embedded": "The gateway keeps reports in the vault's spool; a profile of kind spool empties it.",
}


def first_run(situation: Situation) -> str:
    """The first run."""
    return (
        "Run the profile once, and look at its books: they must balance. "
        "An empty mailbox is fine. A run can be repeated: nothing is kept twice."
    )


def service(situation: Situation) -> str:
    """The service."""
    return (
        "The service runs profiles when they are due and holds the embedded gateway. "
        "Install it, so that the system starts it after a reboot. "
        "Where something else than systemd does that, say that the step is done."
    )


def schedule(situation: Situation) -> str:
    """Running by itself."""
    return (
        "The profile runs by itself every so many seconds (300 is usual) while the service runs. "
        "The step is done when such a run has been seen."
    )


def first_report(situation: Situation) -> str:
    """The evidence."""
    return (
        "Nothing to do but wait: this step is proven by the first journal report itself. "
        "Send a mail between two people of the organisation; its report comes within minutes. "
        "A new rule may take a while to work everywhere.\n"
        "Then pin the tenant: reports of other senders are archived, flagged, and go to the catch-all alone."
    )
