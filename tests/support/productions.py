"""Reads productions with programs that share nothing with the writers: csv, lxml, and own schemas."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from lxml import etree

VERIFIER = Path(__file__).parents[2] / "tools" / "verify_export.py"
Row = dict[str, str]

EDRM = """\
<grammar xmlns="http://relaxng.org/ns/structure/1.0"
         datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
  <start>
    <element name="Root">
      <attribute name="DataInterchangeType"><choice><value>Update</value></choice></attribute>
      <attribute name="MajorVersion"><value>1</value></attribute>
      <attribute name="MinorVersion"><value>2</value></attribute>
      <optional><attribute name="Description"/></optional>
      <optional><attribute name="Locale"/></optional>
      <oneOrMore>
        <element name="Batch">
          <element name="Documents"><zeroOrMore><ref name="document"/></zeroOrMore></element>
          <element name="Relationships">
            <zeroOrMore>
              <element name="Relationship">
                <attribute name="Type">
                  <choice><value>Container</value><value>Attachment</value></choice>
                </attribute>
                <attribute name="ParentDocID"><data type="NMTOKEN"/></attribute>
                <attribute name="ChildDocID"><data type="NMTOKEN"/></attribute>
                <empty/>
              </element>
            </zeroOrMore>
          </element>
        </element>
      </oneOrMore>
    </element>
  </start>
  <define name="document">
    <element name="Document">
      <attribute name="DocID"><data type="NMTOKEN"/></attribute>
      <attribute name="DocType"><choice><value>Message</value><value>File</value></choice></attribute>
      <attribute name="MimeType"/>
      <element name="Tags"><zeroOrMore><ref name="tag"/></zeroOrMore></element>
      <element name="Files">
        <oneOrMore>
          <element name="File">
            <attribute name="FileType">
              <choice><value>Native</value><value>Text</value><value>Image</value></choice>
            </attribute>
            <element name="ExternalFile">
              <attribute name="FilePath"/>
              <attribute name="FileName"/>
              <attribute name="FileSize"><data type="nonNegativeInteger"/></attribute>
              <attribute name="Hash"><data type="hexBinary"/></attribute>
              <empty/>
            </element>
          </element>
        </oneOrMore>
      </element>
      <element name="Locations">
        <zeroOrMore>
          <element name="Location">
            <element name="Custodian"><text/></element>
            <element name="LocationURI"><text/></element>
          </element>
        </zeroOrMore>
      </element>
    </element>
  </define>
  <define name="tag">
    <element name="Tag">
      <attribute name="TagName"/>
      <choice>
        <group>
          <attribute name="TagDataType"><value>Text</value></attribute>
          <attribute name="TagValue"/>
        </group>
        <group>
          <attribute name="TagDataType"><value>DateTime</value></attribute>
          <attribute name="TagValue"><data type="dateTime"/></attribute>
        </group>
        <group>
          <attribute name="TagDataType"><value>Boolean</value></attribute>
          <attribute name="TagValue"><data type="boolean"/></attribute>
        </group>
        <group>
          <attribute name="TagDataType"><value>LongInteger</value></attribute>
          <attribute name="TagValue"><data type="long"/></attribute>
        </group>
      </choice>
      <empty/>
    </element>
  </define>
</grammar>
"""
"""The structure that the documentation of EDRM XML 1.2 describes, but for elements that are never written."""

_SIMPLE = (
    *("Version", "Location", "Comment", "Length", "References", "From", "To", "AcceptNoTables", "MaxLength"),
    *("TextEncapsulator", "Accuracy", "ImpliedAccuracy", "Format", "DecimalSymbol", "DigitGroupingSymbol"),
    *("Command", "URL", "Description", "Name", "Epoch", "ColumnDelimiter", "RecordDelimiter", "SkipNumBytes"),
)
_COLUMN = "(Name, Description?, (Numeric | (AlphaNumeric, MaxLength?) | Date), Map*)"
_MODELS = {
    "DataSet": "(Extension*, Version, DataSupplier?, Command*, Media+)",
    "Extension": "(Name, URL)",
    "DataSupplier": "(Name, Location, Comment)",
    "Media": "(Name, Command*, Table*, AcceptNoTables?)",
    "Table": (
        "(URL, Name?, Description?, Validity?, (ANSI | Macintosh | OEM | UTF16 | UTF7 | UTF8)?, "
        "(DecimalSymbol, DigitGroupingSymbol)?, SkipNumBytes?, Range?, Epoch?, "
        "(VariableLength | FixedLength))"
    ),
    "VariableLength": (
        "(ColumnDelimiter?, RecordDelimiter?, TextEncapsulator?, "
        "((VariablePrimaryKey+, VariableColumn*) | (VariableColumn+)), ForeignKey*)"
    ),
    "VariablePrimaryKey": _COLUMN,
    "VariableColumn": _COLUMN,
    "FixedLength": "EMPTY",
    "ForeignKey": "(Name+, References, Alias*)",
    "Alias": "(From, To)",
    "Map": "(Description?, From, To)",
    "Validity": "(Range, Format?)",
    "Range": "(From, (To | Length)?)",
    "Numeric": "((ImpliedAccuracy | Accuracy)?)",
    "Date": "(Format?)",
    **dict.fromkeys(("AlphaNumeric", "ANSI", "Macintosh", "OEM", "UTF16", "UTF7", "UTF8"), "EMPTY"),
}
TAX_DTD = "\n".join(
    [f"<!ELEMENT {name} (#PCDATA)>" for name in _SIMPLE]
    + [f"<!ELEMENT {name} {model}>" for name, model in _MODELS.items()]
)
"""The grammar of index.xml (version 1.5 of the standard), but for tables of fixed length, and commands after
the tables, with which it is not deterministic."""


def read_dat(path: Path) -> list[Row]:
    """The documents of a Concordance DAT file."""
    text = path.read_bytes().decode("utf-8")
    assert text.startswith("\ufeff")
    assert text.count("\xfe") == 2 * (text.count("\x14") + text.count("\r\n")), "a quote inside a field"
    rows = csv.reader(
        io.StringIO(text[1:], newline=""), delimiter="\x14", quotechar="\xfe", doublequote=True, strict=True
    )
    return _rows(list(rows))


def read_csv(path: Path) -> list[Row]:
    """The documents of a CSV file."""
    text = path.read_bytes().decode("utf-8")
    return _rows(list(csv.reader(io.StringIO(text, newline=""), strict=True)))


def _rows(lines: list[list[str]]) -> list[Row]:
    names, *rest = lines
    return [dict(zip(names, line, strict=True)) for line in rest]


def read_edrm(path: Path) -> Any:
    """The root element of an EDRM XML file, which fits the schema."""
    schema = etree.RelaxNG(etree.fromstring(EDRM.encode()))
    tree = etree.parse(path, etree.XMLParser(resolve_entities=False, no_network=True))
    schema.assertValid(tree)
    return tree.getroot()


def read_index(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The tables that an index.xml describes, read as it says, with their values in the types that it states.

    The DTD beside it, and the whole grammar of the standard, both accept it.
    """
    parser = etree.XMLParser(load_dtd=True, dtd_validation=True, no_network=True)
    root = etree.parse(folder / "index.xml", parser).getroot()
    whole = etree.DTD(io.StringIO(TAX_DTD))
    assert whole.validate(root), whole.error_log
    return {table.findtext("Name"): list(_table(folder, table)) for table in root.iter("Table")}


def _table(folder: Path, table: Any) -> Any:
    form = table.find("VariableLength")
    columns = [*form.iterfind("VariablePrimaryKey"), *form.iterfind("VariableColumn")]
    assert table.find("UTF8") is not None
    text = (folder / table.findtext("URL")).read_bytes().decode("utf-8")
    quote = form.findtext("TextEncapsulator")
    assert form.findtext("RecordDelimiter") == "\r\n"
    # Text is quoted, and nothing else is.
    kinds = ("A" if column.find("AlphaNumeric") is not None else "0" for column in columns)
    pattern = form.findtext("ColumnDelimiter").join(
        f"{quote}(?:[^{quote}]|{quote}{quote})*{quote}" if kind == "A" else "[0-9.]*" for kind in kinds
    )
    lines = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=form.findtext("ColumnDelimiter"),
        quotechar=quote,
        strict=True,
    )
    assert re.fullmatch(f"(?:{pattern}\r\n)*", text)
    for line in lines:
        yield {
            column.findtext("Name"): _typed(column, cell) for column, cell in zip(columns, line, strict=True)
        }


def _typed(column: Any, cell: str) -> Any:
    if column.find("Numeric") is not None:
        return int(cell)
    if column.find("Date") is not None:
        assert column.findtext("Date/Format") == "DD.MM.YYYY"
        return datetime.strptime(cell, "%d.%m.%Y").date() if cell else None
    return cell


def read_manifest(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A manifest's first line and its entries. Each file has the hash that it states."""
    head, *entries = map(json.loads, (folder / "manifest.jsonl").read_text().splitlines())
    for entry in entries:
        assert hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]
    return head, entries


def verified(production: Path, code: int = 0) -> str:
    """What the stand-alone verifier says of a production."""
    words = [sys.executable, "-I", "-S", str(VERIFIER), str(production)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def native(folder: Path, row: Row) -> bytes:
    """The file of a document of a load file."""
    return (folder / row["NATIVEPATH"].replace("\\", "/")).read_bytes()


def text_of(folder: Path, row: Row) -> str:
    """The text of a document of a load file; "" if it has none."""
    path = row["TEXTPATH"].replace("\\", "/")
    return (folder / path).read_bytes().decode("utf-8") if path else ""
