"""The sample company, its people, and the people outside with whom they correspond."""

from __future__ import annotations

from dataclasses import dataclass

DOMAIN = "nordlicht.example"
COMPANY = "Nordlicht Leuchtfeuer"
JOURNAL = f"journal@{DOMAIN}"
"""The journal address: the reports are sent to it."""


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """A person who sends or receives mail."""

    name: str
    address: str
    language: str
    """"en", "de" or "uk"."""
    user: str = ""
    """Primary address of their user in the vault; "" for people outside the company."""
    aliases: tuple[str, ...] = ()

    def at(self, address: str) -> SamplePerson:
        """The same person with another address."""
        return SamplePerson(self.name, address, self.language, self.user, self.aliases)


def _colleague(name: str, local: str, language: str, *aliases: str) -> SamplePerson:
    address = f"{local}@{DOMAIN}"
    return SamplePerson(name, address, language, address, tuple(f"{alias}@{DOMAIN}" for alias in aliases))


STAFF = (
    _colleague("Mira Tannhofer", "mira.tannhofer", "de", "mira", "geschaeftsleitung"),
    _colleague("Jonas Wettering", "jonas.wettering", "de", "jonas"),
    _colleague("Edda Brückwald", "edda.brueckwald", "de", "edda", "buchhaltung"),
    _colleague("Oleksa Harmash", "oleksa.harmash", "uk", "oleksa"),
    _colleague("Solomiya Vitrova", "solomiya.vitrova", "uk", "solomiya"),
    _colleague("Bohdan Kryvenko", "bohdan.kryvenko", "uk", "bohdan"),
    _colleague("Harriet Oakshore", "harriet.oakshore", "en", "harriet", "sales"),
    _colleague("Desmond Pellow", "desmond.pellow", "en", "desmond"),
    _colleague("Tilda Marsh", "tilda.marsh", "en", "tilda", "support"),
    _colleague("Kaspar Lindqvist", "kaspar.lindqvist", "en", "kaspar"),
    _colleague("Wiebke Ohlsen", "wiebke.ohlsen", "de", "wiebke", "einkauf"),
    _colleague("Ruben Achterdiek", "ruben.achterdiek", "de", "ruben"),
)
NEWCOMER = _colleague("Front desk", "empfang", "de")
"""Has an address at the company but no line in the CSV file, and so becomes an automatic user."""

PARTNERS = (
    SamplePerson("Ines Caldera", "ines@caldera-glass.example", "en"),
    SamplePerson("Glashütte Sonnberg", "vertrieb@sonnberg.example", "de"),
    SamplePerson("Port of Halvik", "office@port-halvik.example", "en"),
    SamplePerson("Кантора Маяк", "bureau@mayak-bureau.example", "uk"),
    SamplePerson("Spedition Wellenreiter", "dispo@wellenreiter.example", "de"),
    SamplePerson("Taras Lypko", "taras@lypko-metal.example", "uk"),
)
STRANGER = SamplePerson("Prize Office", "winner@prizes.example", "en")

LISTS = {
    f"alle@{DOMAIN}": STAFF,
    f"technik@{DOMAIN}": (STAFF[1], STAFF[3], STAFF[5], STAFF[7], STAFF[11]),
    f"vertrieb@{DOMAIN}": (STAFF[0], STAFF[6], STAFF[4]),
}
"""Distribution lists and their members."""


def users_csv() -> str:
    """The company's people as CSV for `muniment users import`."""
    rows = (",".join((person.name, person.address, *person.aliases)) for person in STAFF)
    return "\n".join(("name,address,alias", *rows)) + "\n"
