"""The hand-over of data to a German tax office (GoBD, Z3): CSV tables, and index.xml, which describes them.

Written after the description standard for handing over data carriers, by the Federal Ministry of Finance and
Audicon (https://www.audicon.net/themen/beschreibungsstandard). The standard's own DTD is not part of this
program; the file of its name that is put beside index.xml declares the elements that are used here, as the
standard does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, tzinfo
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from muniment.archive.productions.columns import at, joined
from muniment.archive.productions.documents import Document
from muniment.archive.productions.forms import LoadForm, content_of, without_formula

DTD_NAME = "gdpdu-01-09-2004.dtd"
DTD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- Declares the elements that index.xml uses, as the description standard (version 1.5) has them. -->
<!ELEMENT DataSet (Version, DataSupplier?, Media+)>
<!ELEMENT DataSupplier (Name, Location, Comment)>
<!ELEMENT Media (Name, Table*)>
<!ELEMENT Table (URL, Name?, Description?, UTF8?, (DecimalSymbol, DigitGroupingSymbol)?, VariableLength)>
<!ELEMENT VariableLength (ColumnDelimiter?, RecordDelimiter?, TextEncapsulator?,
  ((VariablePrimaryKey+, VariableColumn*) | VariableColumn+), ForeignKey*)>
<!ELEMENT VariablePrimaryKey (Name, Description?, (Numeric | AlphaNumeric | Date))>
<!ELEMENT VariableColumn (Name, Description?, (Numeric | AlphaNumeric | Date))>
<!ELEMENT ForeignKey (Name+, References)>
<!ELEMENT Numeric (Accuracy?)>
<!ELEMENT Date (Format?)>
<!ELEMENT AlphaNumeric EMPTY>
<!ELEMENT UTF8 EMPTY>
<!ELEMENT Version (#PCDATA)>
<!ELEMENT Name (#PCDATA)>
<!ELEMENT Location (#PCDATA)>
<!ELEMENT Comment (#PCDATA)>
<!ELEMENT URL (#PCDATA)>
<!ELEMENT Description (#PCDATA)>
<!ELEMENT DecimalSymbol (#PCDATA)>
<!ELEMENT DigitGroupingSymbol (#PCDATA)>
<!ELEMENT ColumnDelimiter (#PCDATA)>
<!ELEMENT RecordDelimiter (#PCDATA)>
<!ELEMENT TextEncapsulator (#PCDATA)>
<!ELEMENT Accuracy (#PCDATA)>
<!ELEMENT Format (#PCDATA)>
<!ELEMENT References (#PCDATA)>
"""
TEXT, NUMBER, DATE = (
    *("<AlphaNumeric/>", "<Numeric><Accuracy>0</Accuracy></Numeric>"),
    "<Date><Format>DD.MM.YYYY</Format></Date>",
)
"""The types of columns."""


class TaxColumn(NamedTuple):
    """A column of a table."""

    name: str
    kind: str
    """TEXT, NUMBER or DATE."""
    about: str


class TaxTable(NamedTuple):
    """A table, whose first column is its key if `keyed`."""

    file: str
    name: str
    about: str
    columns: tuple[TaxColumn, ...]
    keyed: bool = True
    refers: str = ""
    """The column that names a message; "" for none."""


MESSAGES = TaxTable(
    "nachrichten.csv",
    "Nachrichten",
    "Die Nachrichten, eine Zeile je Nachricht",
    (
        TaxColumn("Nummer", TEXT, "Belegnummer der Nachricht"),
        TaxColumn("Datum", DATE, "Datum im Kopf der Nachricht"),
        TaxColumn("Uhrzeit", TEXT, "Uhrzeit im Kopf der Nachricht"),
        TaxColumn("Eingangsdatum", DATE, "Datum, an dem die Nachricht erfasst wurde"),
        TaxColumn("Eingangszeit", TEXT, "Uhrzeit, zu der die Nachricht erfasst wurde"),
        TaxColumn("Absender", TEXT, "Absender laut Kopf der Nachricht"),
        TaxColumn("Betreff", TEXT, "Betreff"),
        TaxColumn("Message_ID", TEXT, "Kennung der Nachricht"),
        TaxColumn("Bezug", TEXT, "Kennungen der Nachrichten, auf die sie antwortet"),
        TaxColumn("Groesse", NUMBER, "Größe der Datei in Byte"),
        TaxColumn("Anhaenge", NUMBER, "Anzahl der Anhänge"),
        TaxColumn("SHA256", TEXT, "Prüfsumme der Datei"),
        TaxColumn("Datei", TEXT, "Pfad der Datei im Originalformat (EML)"),
        TaxColumn("Ordner", TEXT, "Postfächer und Ordner"),
        TaxColumn("Bemerkungen", TEXT, "Hinweise zur Lesbarkeit"),
    ),
)
ATTACHMENTS = TaxTable(
    "anhaenge.csv",
    "Anhaenge",
    "Die Anhänge der Nachrichten, auch solche in anderen Anhängen",
    (
        TaxColumn("Nummer", TEXT, "Belegnummer des Anhangs"),
        TaxColumn("Nachricht", TEXT, "Belegnummer der Nachricht"),
        TaxColumn("Enthalten_in", TEXT, "Belegnummer der Nachricht oder des Anhangs, worin er liegt"),
        TaxColumn("Dateiname", TEXT, "Name, den der Absender angegeben hat"),
        TaxColumn("Typ", TEXT, "MIME-Typ"),
        TaxColumn("Groesse", NUMBER, "Größe der Datei in Byte"),
        TaxColumn("SHA256", TEXT, "Prüfsumme der Datei"),
        TaxColumn("Datei", TEXT, "Pfad der Datei"),
        TaxColumn("Bemerkungen", TEXT, "Hinweise zur Lesbarkeit"),
    ),
    refers="Nachricht",
)
PARTICIPANTS = TaxTable(
    "beteiligte.csv",
    "Beteiligte",
    "Wer eine Nachricht gesendet und erhalten hat, laut Kopf und laut Umschlag des Mailservers",
    (
        TaxColumn("Nachricht", TEXT, "Belegnummer der Nachricht"),
        TaxColumn("Quelle", TEXT, "Kopf oder Umschlag"),
        TaxColumn("Rolle", TEXT, "Rolle, zum Beispiel from, to, cc, bcc"),
        TaxColumn("Adresse", TEXT, "Adresse, bei Quelle Kopf der ganze Inhalt des Feldes"),
        TaxColumn("Ueber", TEXT, "Verteilerliste, über die die Nachricht zugestellt wurde"),
    ),
    keyed=False,
    refers="Nachricht",
)
TABLES = (MESSAGES, ATTACHMENTS, PARTICIPANTS)


class GobdForm(LoadForm):
    """Three tables, index.xml and its DTD. Days are those of one time zone."""

    prefix = "GOBD"
    texts = False
    about = (
        "  index.xml          describes the tables, for the audit program of the tax office\n"
        f"  {DTD_NAME}  declares the elements of index.xml\n"
        "  nachrichten.csv, anhaenge.csv, beteiligte.csv\n"
        "                     messages, attachments, and who sent and received each message\n"
        "\n"
        "  Überlassung archivierter E-Mails auf einem Datenträger (GoBD): index.xml beschreibt die Tabellen\n"
        "  nach dem Beschreibungsstandard. Die Originale liegen unverändert im Ordner NATIVES, Anhänge als\n"
        "  eigene Dateien daneben. Eine Zelle, die mit =, +, - oder @ beginnt, hat ein Hochkomma davor.\n"
        "\n"
    )

    def __init__(self, work: Path, supplier: str = "", zone: tzinfo = UTC, zone_name: str = "UTC") -> None:
        """Begin the tables.

        Args:
            work: The folder for temporary files.
            supplier: Who hands the data over.
            zone: The time zone of days and times.
            zone_name: Its name.
        """
        super().__init__(work)
        self._supplier, self._zone, self._zone_name = supplier, zone, zone_name
        self._files = {table.name: self._open() for table in TABLES}

    def add(self, document: Document) -> None:
        if not document.is_message:
            self._line(ATTACHMENTS, (
                document.number, document.family[0], document.parent, document.filename,
                document.content_type, str(document.native.size), document.native.sha256,
                document.native.path, joined(document.notes),
            ))  # fmt: skip
            return
        header = document.header
        refers = joined(filter(None, (header("In-Reply-To"), header("References"))))
        self._line(MESSAGES, (
            document.number, *self._day(document.sent), *self._day(document.received), header("From"),
            header("Subject"), header("Message-ID"), refers, str(document.native.size),
            str(len(document.files)), document.native.sha256, document.native.path,
            joined(document.folders), joined(document.notes),
        ))  # fmt: skip
        for name in ("From", "To", "Cc", "Bcc"):
            if header(name):
                self._line(PARTICIPANTS, (document.number, "Kopf", name.lower(), header(name), ""))
        for party in document.envelope:
            row = (document.number, "Umschlag", party.role, party.address, party.via)
            self._line(PARTICIPANTS, row)

    def _day(self, time: int | None) -> tuple[str, str]:
        """Day and time of a moment (seconds since 1970 UTC), in German order."""
        if time is None:
            return "", ""
        then = at(time, self._zone)
        return f"{then.day:02d}.{then.month:02d}.{then.year:04d}", then.time().isoformat("seconds")

    def _line(self, table: TaxTable, cells: Iterable[str]) -> None:
        shown = (
            _quoted(cell) if column.kind == TEXT else cell
            for column, cell in zip(table.columns, cells, strict=True)
        )
        self._files[table.name].write((";".join(shown) + "\r\n").encode("utf-8", "backslashreplace"))

    def files(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        yield "index.xml", [self._index().encode()]
        yield DTD_NAME, [DTD.encode()]
        for table in TABLES:
            yield table.file, content_of(self._files[table.name])

    def _index(self) -> str:
        comment = f"Zeiten in der Zeitzone {self._zone_name}. Originale im Ordner NATIVES."
        tables = "".join(map(_described, TABLES))
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE DataSet SYSTEM "{DTD_NAME}">\n'
            "<DataSet>\n<Version>1.0</Version>\n"
            f"<DataSupplier><Name>{escape(self._supplier)}</Name><Location></Location>"
            f"<Comment>{escape(comment)}</Comment></DataSupplier>\n"
            f"<Media>\n<Name>Archivierte E-Mails</Name>\n{tables}</Media>\n</DataSet>\n"
        )


def _quoted(text: str) -> str:
    return '"' + without_formula(text).replace('"', '""') + '"'


def _described(table: TaxTable) -> str:
    columns = "".join(
        f"<{kind}><Name>{column.name}</Name><Description>{escape(column.about)}</Description>{column.kind}</{kind}>\n"
        for number, column in enumerate(table.columns)
        for kind in ("VariablePrimaryKey" if table.keyed and number == 0 else "VariableColumn",)
    )
    refers = f"<Name>{table.refers}</Name><References>{MESSAGES.name}</References>"
    foreign = f"<ForeignKey>{refers}</ForeignKey>\n" if table.refers else ""
    return (
        f"<Table>\n<URL>{table.file}</URL><Name>{table.name}</Name>"
        f"<Description>{escape(table.about)}</Description>\n<UTF8/>\n"
        "<DecimalSymbol>,</DecimalSymbol><DigitGroupingSymbol>.</DigitGroupingSymbol>\n<VariableLength>\n"
        "<ColumnDelimiter>;</ColumnDelimiter><RecordDelimiter>&#13;&#10;</RecordDelimiter>"
        '<TextEncapsulator>"</TextEncapsulator>\n'
        f"{columns}{foreign}</VariableLength>\n</Table>\n"
    )
