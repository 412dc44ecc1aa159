"""The form of a retention rule. It shows what the rule would do to the mail that is there before it asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget

from muniment.api import (
    MailCriteria,
    Request,
    RuleSpec,
    RulesSet,
    SetRules,
    SimulateRetention,
    Simulation,
    WireWord,
)
from muniment.system.formatting import count, size
from muniment.system.time_zones import local_zone
from muniment_tui.rules.comparing import Comparisons
from muniment_tui.rules.decision_form import DecisionForm, Typed, required
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.field import ChoiceField, TextField
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.text import TextLines

RULE = "rule"
KINDS = (("keep", "keep at least"), ("dispose", "dispose after"))
ANCHORS = (("received", "receipt"), ("year", "the end of that year"))
ABOUT = (
    "A longer period counts at once, a shorter one for mail to come. A name in force gets its next version."
)


class RuleForm(DecisionForm):
    """The form of a retention rule."""

    HELP = (
        "Fill in the fields; all criteria that are given must hold, and without any the rule is about all "
        "mail. F2 compares all mail with the rule, shows what the next disposal would then take, and asks."
    )
    DEFAULT_CSS = """
    RuleForm #found { height: auto; max-height: 50%; display: none; padding: 0 1; }
    RuleForm.-found #found { display: block; }
    RuleForm #found TextLines { height: auto; }
    """

    def __init__(self, made: Callable[[], object]) -> None:
        """`made` is called once the rule is set."""
        fields = (
            TextField("name", "Name", check=required("Type a name"), hint="Such as invoices."),
            ChoiceField("kind", "Rule", KINDS),
            TextField("period", "Period", placeholder="10 years", check=required("Type 10 years or 90 days")),
            ChoiceField("anchor", "From", ANCHORS),
            TextField("people", "People", hint="Names or addresses, with commas; empty: any."),
            TextField("groups", "Groups"),
            TextField("domains", "Domains", placeholder="example.com"),
            TextField("folders", "Folders", placeholder="Inbox"),
            TextField("kinds", "Kinds of files", placeholder="pdf, xlsx"),
            TextField("query", "Search", hint="A search, as in Messages; empty for none."),
        )
        super().__init__("New retention rule", fields, _setting, _named, RulesSet, made, ABOUT)
        self._comparisons: Comparisons | None = None
        self._looked: Request | None = None
        """The request whose effect is shown."""
        self._found: Simulation | None = None

    def inside(self) -> Iterable[Widget]:
        yield from super().inside()
        yield Pane(shown("With this rule"), VerticalScroll(TextLines(id="said")), id="found")

    def on_mount(self) -> None:
        """Prepare the comparison."""
        super().on_mount()
        self._comparisons = Comparisons(self, lambda: self.size.width - 6, self._say)

    def _say(self) -> None:
        assert self._comparisons is not None
        self.query_one("#said", TextLines).say(self._comparisons.texts.get(RULE, Content()))
        self.set_class(True, "-found")

    def ask_about(
        self, typed: Typed, request: Request, tried: WireWord | None = None, unasked: bool = False
    ) -> None:
        """Show what the rule would do, then ask. What was shown is not compared again."""
        assert isinstance(request, SetRules)
        assert isinstance(tried, RulesSet)
        assert self._comparisons is not None
        if not tried.rules:
            self.muniment.tell(tried.message)
        elif self._looked == request and self._found is not None:
            self._confirm(request, tried, self._found)
        elif not self._comparisons.running:
            simulated = SimulateRetention(rules=request.rules, zone=request.zone)

            def then(found: Simulation, here: Callable[[], bool]) -> None:
                self._looked, self._found = request, found
                if here():
                    self._confirm(request, tried, found)
                else:
                    self.muniment.tell("Its effect is shown: F2 asks whether to set it.")

            self._comparisons.start(RULE, simulated, "comparing all mail with it", then)

    def _confirm(self, request: SetRules, tried: RulesSet, found: Simulation) -> None:
        rule, goes = tried.rules[0], found.goes
        take = f"{count(goes.messages)} {'message' if goes.messages == 1 else 'messages'}"
        words = joined(
            ("Set the rule ", ""), (rule.name, "bold"), (f": {rule.rule}: {rule.mail}? ", ""),
            (f"With it, a disposal now would take {take} ({size(goes.bytes)}).", "bold"),
            *((f" {warning}.", "$warning") for warning in tried.warnings),
        )  # fmt: skip
        self.confirm(words, lambda: self.record(request), unasked=True)


def _setting(typed: Typed) -> SetRules:
    mail = MailCriteria(
        people=_listed(typed["people"]), groups=_listed(typed["groups"]), domains=_listed(typed["domains"]),
        folders=_listed(typed["folders"]), kinds=_listed(typed["kinds"]), query=typed["query"],
    )  # fmt: skip
    spec = RuleSpec(
        name=typed["name"], kind=typed["kind"], period=typed["period"], anchor=typed["anchor"], mail=mail
    )
    return SetRules(rules=(spec,), zone=local_zone())


def _listed(typed: str) -> tuple[str, ...]:
    """The values that are separated by commas."""
    return tuple(one.strip() for one in typed.split(",") if one.strip())


def _named(typed: Typed) -> Content:
    return joined(("Set the rule ", ""), (typed["name"], "bold"), ("?", ""))
