"""The top of the command line: all commands, grouped by task, and the exit codes."""

from __future__ import annotations

import click

from muniment import __version__
from muniment.cli import (
    audit,
    completion,
    demo,
    maintenance,
    messages,
    notify,
    profiles,
    quarantine,
    runs,
    service,
    setup,
    users,
    vaults,
    watching,
)
from muniment.cli.command import CommandGroup
from muniment.cli.evidence import checkpoint, prove, witness
from muniment.cli.restores import restoring
from muniment.cli.retention import approvals, erasing, holds
from muniment.cli.retention import rules as retention_rules
from muniment.cli.rules import access, groups
from muniment.cli.subject import requests as subject

TASKS = (
    ("Begin", ("demo", "init", "setup", "users", "group", "profile")),
    ("Archive", ("run", "watch", "cancel", "history", "service", "notify", "status", "quarantine")),
    ("Find and read", ("tree", "list", "search", "show", "export", "restore")),
    ("Keep it sound", ("verify", "prove", "rebuild", "backup", "audit", "access", "checkpoint", "witness")),
    ("Keep what the law demands", ("hold", "retention", "approvals", "erase", "certificate", "subject")),
    ("This program", ("completion",)),
)


EXIT_CODES = {
    0: "all went well",
    1: "something went wrong that no other code names",
    2: "the command line is wrong",
    3: "vault.toml, a profile or a CSV file is wrong",
    4: "the vault can't be used: missing, newer, no space",
    5: "another process owns the vault",
    6: "the ledger is damaged or was changed",
    7: "a mail server or mailbox can't be used as asked",
    8: "the server refused the name or the password",
    9: "TLS is not offered, or the certificate is not trusted",
    10: "no such message, user, profile, quarantined item or service",
    11: "a search query can't be read",
    12: "a run ended failed, unbalanced or cancelled",
    13: "you are not allowed to do this; the message says who is",
    14: "vault.toml was changed by someone else meanwhile",
    15: "a message's text can't be read; its bytes can (show --raw)",
    16: "it was erased by a decision; the message says when and why",
    17: "mail was not erased, since a hold or a rule keeps it",
    70: "a fault of this program",
    130: "interrupted (Ctrl-C); 143 when terminated",
    141: "the reader of the output has closed it",
}


class RootGroup(CommandGroup):
    """The program, whose help lists the commands by task."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by task, then the exit codes."""
        for task, names in TASKS:
            with formatter.section(task):
                formatter.write_dl([(n, self.commands[n].get_short_help_str(64)) for n in names])
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])


@click.group(
    cls=RootGroup,
    subcommand_metavar="[COMMAND [ARGS]...]",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(__version__, prog_name="muniment", message="%(prog)s %(version)s")
def root() -> None:
    """Keep an organisation's mail: complete, unchanged, findable, provable.

    A vault is a folder that holds one organisation's archive. A profile says
    where mail is fetched from; a run fetches it, files it under each user's
    Inbox and Sent, and deletes it at the source once it is safely kept.

    \b
    Open the app:     muniment
    Try it out:       muniment demo
    Start your own:   muniment init --vault /srv/mail --domain example.com
                      export MUNIMENT_VAULT=/srv/mail
                      muniment users import people.csv
                      muniment profile add gw --source gateway --host gw.example
                          --mailbox mbx-0123 --password-file /etc/gw.pass
                      muniment run gw

    Without a command, `muniment` opens the app; without a terminal, it prints
    the state of the vault. `muniment --read-only` opens an app that changes
    nothing. Every command takes --json, for programs, and --help, which
    explains it. Dates that you type and dates that are shown are in your time
    zone: that of TZ, or else of this machine. In JSON they are UTC.
    """


for family in (
    access,
    approvals,
    audit,
    checkpoint,
    completion,
    demo,
    erasing,
    groups,
    holds,
    maintenance,
    messages,
    notify,
    profiles,
    prove,
    quarantine,
    restoring,
    retention_rules,
    runs,
    service,
    setup,
    subject,
    users,
    vaults,
    watching,
    witness,
):
    for command in family.COMMANDS:
        root.add_command(command)
