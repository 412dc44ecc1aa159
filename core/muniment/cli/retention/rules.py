"""`muniment retention`: how long which mail is kept, and what goes after that."""

from __future__ import annotations

from typing import Any

import click

from muniment.api import (
    Done,
    EndRule,
    ListRules,
    MessageRetention,
    RuleDate,
    Rules,
    RulesSet,
    RuleWord,
    SetRules,
    ShowRetention,
)
from muniment.cli.answers import done
from muniment.cli.command import CommandGroup, CommandSession, pass_session
from muniment.cli.output import TableColumn, complain, plain
from muniment.cli.retention.criteria import KEYS, criteria_options
from muniment.cli.retention.dispose import dispose
from muniment.cli.retention.rules_file import read_rules_file, spec_of
from muniment.cli.retention.simulate import simulate
from muniment.errors import UsageError
from muniment.system.formatting import iso, local
from muniment.system.time_zones import local_zone

DESCRIBING = KEYS | {"keep", "dispose"}
"""The options that describe a rule, besides --end-of-year."""
DRY_RUN = click.option("--dry-run", "check", is_flag=True, help="Record nothing; say what would change.")


@click.group(cls=CommandGroup)
def retention() -> None:
    """Say how long which mail is kept, and what goes after that.

    A rule keeps mail at least for a period, or disposes of it after one. The
    age of mail counts from its receipt here, never from its Date header. A
    rule can be lengthened at once; a shorter period counts only for mail to
    come. A legal hold wins over every rule.

    \b
    Example:
      muniment retention set invoices --keep "10 years" --end-of-year
      muniment retention set all --dispose "11 years" --end-of-year
      muniment retention simulate --at 2037-01-01
    """


@retention.command("set")
@click.argument("name", required=False, default="")
@click.option("--keep", default="", metavar="PERIOD", help='Keep at least so long, such as "10 years".')
@click.option("--dispose", default="", metavar="PERIOD", help="Dispose of it after so long.")
@click.option("--end-of-year", is_flag=True, help="Count from the end of the year of receipt.")
@criteria_options
@click.option(
    "--from", "file", default="", metavar="FILE", type=click.Path(), help="Set the rules in a file instead."
)
@DRY_RUN
@pass_session
def set_(session: CommandSession, /, name: str, file: str, check: bool, **options: Any) -> None:
    """Set a retention rule, or a new version of one. For administrators.

    All options that say which mail must fit; without any, the rule is about
    all mail. A rule that is set again has a new version. Mail that is there
    keeps the longest period of all versions in force since it came.

    A file in TOML has a table [[rule]] for each rule, with keys like the
    options: name, keep or dispose, end_of_year, person, file_kind and so on.

    \b
    Example:
      muniment retention set tax --keep "10 years" --end-of-year --file-kind pdf
      muniment retention set jobs --dispose "6 months" --person jobs@example.com
      muniment retention set --from rules.toml --dry-run
    """
    if bool(file) == bool(name):
        raise UsageError("Name either a rule or a file of rules (--from).")
    described = options["end_of_year"] or any(options[key] not in (None, "", ()) for key in DESCRIBING)
    if file and described:
        raise UsageError("The file of --from has the rules: leave out the options that describe one.")
    rules = read_rules_file(file) if file else (spec_of(name, options),)
    answer = session.ask(SetRules(rules=rules, check=check, zone=local_zone()), RulesSet)
    if session.json:
        session.out.json(
            {
                "message": answer.message,
                "warnings": list(answer.warnings),
                "rules": [rule_as_json(rule) for rule in answer.rules],
            }
        )
        return
    for rule in answer.rules:
        session.out.prose(f"{rule.name} (version {rule.version}): {rule.rule}: {rule.mail}", 2)
    session.out.prose(answer.message)
    for warning in answer.warnings:
        complain(f"Note: {warning}.")


@retention.command()
@click.argument("name")
@DRY_RUN
@pass_session
def end(session: CommandSession, name: str, check: bool) -> None:
    """End a retention rule. For administrators.

    Mail that came while it was in force keeps its minimum. A rule that
    disposes of mail takes nothing any more.

    \b
    Example:
      muniment retention end applicants
    """
    done(session, session.ask(EndRule(name=name, check=check), Done))


@retention.command("list")
@click.option("--history", is_flag=True, help="List all versions, also of rules that were ended.")
@pass_session
def list_(session: CommandSession, history: bool) -> None:
    """List the retention rules. For auditors and administrators.

    \b
    Example:
      muniment retention list --history
    """
    rules = session.ask(ListRules(history=history), Rules).rules
    if session.json:
        session.out.json([rule_as_json(rule) for rule in rules])
        return
    if not rules:
        session.out.line("No retention rules: nothing is disposed of.")
        return
    columns = [TableColumn("Rule", most=30), TableColumn("Version", right=True), TableColumn("Since")]
    columns += [TableColumn("Until")] if history else []
    columns += [TableColumn("Demands", most=60), TableColumn("Mail", fill=True)]
    session.out.table(columns, (_row(rule, history) for rule in rules))


def _row(rule: RuleWord, history: bool) -> list[str]:
    until = [local(rule.until) if rule.until else "in force"] if history else []
    return [rule.name, str(rule.version), local(rule.since), *until, rule.rule, rule.mail]


def rule_as_json(rule: RuleWord) -> dict[str, Any]:
    """A version of a rule as JSON has it."""
    times = {name: iso(time) if (time := getattr(rule, name)) else None for name in ("since", "until")}
    fields: dict[str, Any] = plain(rule)
    return fields | times


@retention.command()
@click.argument("id")
@pass_session
def show(session: CommandSession, id: str) -> None:
    """Show which rule keeps a message until when. For auditors and administrators.

    ID is its id, or at least the first 8 digits of it.

    \b
    Example:
      muniment retention show 3f9a2c81
    """
    answer = session.ask(ShowRetention(id=id), MessageRetention)
    if session.json:
        session.out.json(
            plain(answer)
            | {"received": iso(answer.received), "goes": iso(answer.goes) if answer.goes else None}
            | {name: _date_as_json(getattr(answer, name)) for name in ("keep", "dispose")}
        )
        return
    session.out.line(f"ID        {answer.id}")
    session.out.line(f"Received  {local(answer.received)}")
    session.out.prose(f"Kept      {_until(answer.keep)}", 10)
    for hold in answer.holds:
        session.out.prose(f"Held      {hold}", 10)
    session.out.prose(f"Disposal  {_disposal(answer)}", 10)


def _date_as_json(date: RuleDate | None) -> dict[str, Any] | None:
    return None if date is None else {"time": iso(date.time), "rule": rule_as_json(date.rule)}


def _until(keep: RuleDate | None) -> str:
    if keep is None:
        return "no rule keeps it"
    return f"until {local(keep.time)} by the rule {named(keep.rule)}"


def _disposal(answer: MessageRetention) -> str:
    if answer.dispose is None:
        return f"a rule may be about it, but {answer.doubt}: it stays" if answer.doubt else "by no rule"
    said = f"from {local(answer.dispose.time)} by the rule {named(answer.dispose.rule)}"
    if answer.holds:
        return f"{said}; a legal hold keeps it until that is released"
    return said if answer.goes <= answer.dispose.time else f"{said}; it is kept until {local(answer.goes)}"


def named(rule: RuleWord) -> str:
    """A rule by its name and version, with what it demands."""
    return f"{rule.name!r} (version {rule.version}: {rule.rule})"


retention.add_command(simulate)
retention.add_command(dispose)

COMMANDS = (retention,)
