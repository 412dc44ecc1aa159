"""The guide of each step: what to do and where, for Microsoft 365 and for Exchange Server.

A guide is plain text. A line that begins with "- " is an item of a list.
"""

from __future__ import annotations

from collections.abc import Callable

from muniment.setup.model import SetupSituation

Guide = Callable[[SetupSituation], str]

_EXCHANGE_LISTS = "https://aka.ms/o365endpoints"
_PURVIEW = "https://purview.microsoft.com"


def _online(situation: SetupSituation) -> bool:
    return situation.settings.journaling.platform == "microsoft-365"


def organisation(situation: SetupSituation) -> str:
    """Guide of the step "organisation"."""
    return (
        "Choose the mail system, and enter the organisation's own mail domains. "
        "Each address in these domains gets its own Inbox and Sent folder; "
        "all other addresses are external.\n"
        "- microsoft-365: mailboxes in Exchange Online\n"
        "- exchange-server: mailboxes on Exchange Server 2016, 2019 or SE\n"
        "The check looks up where mail for each domain goes."
    )


def report_address(situation: SetupSituation) -> str:
    """Guide of the step "report-address"."""
    intro = (
        "For every message, the mail system sends a journal report to one mailbox. "
        "That mailbox must not be in Exchange Online: Microsoft does not allow it as a journal target. "
        "Choose where it is:\n"
        "- gateway: a mailbox (mbx-...) at a provider's MailStore Gateway\n"
        "- mailbox: your own mailbox on an IMAP or POP3 server, used only for reports\n"
        "- embedded: Muniment receives the reports itself, on this machine\n"
    )
    return intro + _WHERE[situation.settings.journaling.reports](situation)


def _at_gateway(situation: SetupSituation) -> str:
    return (
        "The provider gives you an address, a mailbox id and a password. "
        "The password also decrypts the mailbox: without it the mail is lost, so keep a copy of it. "
        "If two gateways share one MX record, add a profile for each."
    )


def _at_mailbox(situation: SetupSituation) -> str:
    return (
        "The server must not filter the reports: they keep the From of the original, so SPF and DMARC fail "
        "even for genuine reports. Switch off spam filters, size limits and DMARC for this mailbox. "
        "Only the mail system may write to it: anybody else who can write to it can forge reports."
    )


def _at_embedded(situation: SetupSituation) -> str:
    source = (
        f"those of Exchange Online (entry 10 of {_EXCHANGE_LISTS})"
        if _online(situation)
        else "those of your Exchange servers"
    )
    return (
        "Create an MX record for the domain of the address that points to this machine, and open port 25. "
        f"Networks that may deliver: {source}, and 127.0.0.0/8 so that this check can connect. "
        "Give the gateway a certificate, or reports cross the network unencrypted. "
        "The gateway listens while the service runs."
    )


_WHERE: dict[str, Guide] = {"gateway": _at_gateway, "mailbox": _at_mailbox, "embedded": _at_embedded}


def undeliverable(situation: SetupSituation) -> str:
    """Guide of the step "undeliverable"."""
    if not _online(situation):
        return (
            "Reports that can't be delivered go to one mailbox. Set it before you make the rule. The rule "
            "must not cover it, and it must not be the report address. Check this mailbox from time to "
            "time.\n"
            "- In the Exchange Management Shell, with the command below\n"
            "Then confirm here that it is set: Muniment can't see that."
        )
    return (
        "Reports that can't be delivered go to one mailbox. Set it before you make the rule. It must not be "
        "in Exchange Online, the rule must not cover it, and it must not be the report address. Check this "
        "mailbox from time to time: Microsoft warns of a failing journal target, and may disable the rule "
        "two days later.\n"
        f"- {_PURVIEW} > Settings > Data lifecycle management > Exchange (legacy)\n"
        "- Send undeliverable journal reports to: the address\n"
        "- or with the command below, in Exchange Online PowerShell\n"
        "Then confirm here that it is set: Muniment can't see that."
    )


def journal_rule(situation: SetupSituation) -> str:
    """Guide of the step "journal-rule"."""
    return (_rule_online if _online(situation) else _rule_server)(situation) + (
        "\nThen confirm here that the rule exists. The first report that arrives proves it."
    )


_SCOPES = (
    "Prefer Global: MAIL FROM decides what is internal or external, so mail with a forged sender in your own "
    "domain escapes an External rule. "
)


def _rule_online(situation: SetupSituation) -> str:
    journaling = situation.settings.journaling
    return (
        f"- {_PURVIEW} > Solutions > Data lifecycle management > Exchange (legacy) > Journal rules > New\n"
        f"- Send journal reports to: {journaling.address or 'the report address (step 2)'}\n"
        f"- Journal rule name: {journaling.rule} (at most 64 characters)\n"
        f"- Messages sent or received from: {journaling.recipient or 'everyone'} (no wildcards)\n"
        f"- Type of message to journal: {_SCOPE_WORDS[journaling.scope]}\n"
        "Or with the command below. A rule made by PowerShell is disabled unless it says -Enabled $true. "
        + _SCOPES
        + "Keep trying: the number of days (0 to 7; 0 is Microsoft's default) for which Exchange Online "
        "queues reports that it can't deliver."
    )


def _rule_server(situation: SetupSituation) -> str:
    journaling = situation.settings.journaling
    whose = f"a specific user or group: {journaling.recipient}" if journaling.recipient else "all messages"
    return (
        "- Exchange admin centre > Compliance Management > Journal rules > +\n"
        f"- Send journal reports to: {journaling.address or 'the report address (step 2)'}\n"
        "(if Exchange does not find that address, create a mail contact for it first: New-MailContact)\n"
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


def users(situation: SetupSituation) -> str:
    """Guide of the step "users"."""
    return (
        "Add the people and all their addresses, so that mail to an alias is filed with its person. "
        "You can add addresses later: Muniment then files old mail again.\n"
        "- The commands below write people.csv where Exchange is\n"
        "- Here: import people.csv (muniment users import people.csv)\n"
        "If everybody has one address in the own domains, you don't need to add anybody: "
        "confirm the step, and Muniment makes each user when their first mail comes."
    )


def profile(situation: SetupSituation) -> str:
    """Guide of the step "profile"."""
    reports = situation.settings.journaling.reports
    return _PROFILES[reports] if reports == "embedded" else "\n".join((_PROFILES[reports], _KEPT))


_KEPT = (
    "vault.toml never contains the password. The app's form keeps it in a file of the vault that only the "
    "vault's owner can read; on the command line, name a file that holds only the password."
)
_PROFILES = {
    "gateway": (
        "Muniment fetches from the gateway by POP3 on port 110, with STLS before it sends the password. "
        "Enter the mailbox id without the @ and what follows it. "
        "Archived mail is deleted at the gateway, or the mailbox would fill up."
    ),
    "mailbox": (
        "Muniment reads the mail there as journal reports, so only the mail system may write to the mailbox. "
        "Mail stays there unless the profile deletes archived mail."
    ),
    "embedded": "The gateway keeps reports in the vault's spool; a profile of kind spool empties it.",
}


def first_run(situation: SetupSituation) -> str:
    """Guide of the step "first-run"."""
    return (
        "Run the profile once, and look at its counts: the books must balance. "
        "An empty mailbox is fine. You can repeat a run: nothing is stored twice."
    )


def service(situation: SetupSituation) -> str:
    """Guide of the step "service"."""
    return (
        "The service runs profiles when they are due, and contains the embedded gateway. "
        "Install it, so that the system starts it after a reboot. "
        "If something other than systemd starts it, confirm the step."
    )


def schedule(situation: SetupSituation) -> str:
    """Guide of the step "schedule"."""
    return (
        "While the service runs, it runs the profile at this interval in seconds (300 is usual). "
        "The step is done once such a run has taken place."
    )


def first_report(situation: SetupSituation) -> str:
    """Guide of the step "first-report"."""
    return (
        "The first journal report proves this step. "
        "Send a mail between two people of the organisation; its report comes within minutes. "
        "A new rule may take some time to work everywhere.\n"
        "Then pin the tenant: reports of other tenants are archived and flagged, and go only to the "
        "catch-all."
    )
