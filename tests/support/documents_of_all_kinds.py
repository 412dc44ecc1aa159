"""A small document of every kind, with the words that are read in it."""

from __future__ import annotations

import quopri

from support.attachments import docx, packed
from support.compound import compound, doc, msg, ppt, xls
from support.pdf import pdf

SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
TYPES = {"[Content_Types].xml": "<Types/>"}
XLSX = packed(
    TYPES
    | {
        "xl/workbook.xml": f'<workbook xmlns="{SHEET}"><sheets><sheet name="Budget"/></sheets></workbook>',
        "xl/sharedStrings.xml": f'<sst xmlns="{SHEET}"><si><t>barley</t></si>'
        "<si><r><t>oat</t></r><r><t>meal</t></r></si></sst>",
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{SHEET}"><sheetData><row>'
        '<c t="s"><v>77</v></c><c><v>4711.5</v></c><c t="inlineStr"><is><t>rye</t></is></c>'
        "</row></sheetData></worksheet>",
    }
)
PPTX = packed(
    TYPES
    | {
        f"ppt/{part}1.xml": f'<p xmlns:a="{DRAWING}"><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p>'
        for part, text in (("slides/slide", "wheat"), ("notesSlides/notesSlide", "spelt"))
    }
)
ODT = packed(
    {
        "mimetype": "application/vnd.oasis.opendocument.text",
        "content.xml": '<d xmlns:t="t"><t:p>mil<t:span>let</t:span></t:p>'
        "<t:p>sorghum<t:s/>teff <t:date>May</t:date></t:p></d>",
        "styles.xml": '<d xmlns:n="n"><n:date-style><n:text>never</n:text></n:date-style><p>footer</p></d>',
        "meta.xml": "<d><title>Grains</title><generator>never</generator></d>",
    }
)
LOCKED_ODT = packed(
    {"mimetype": "x", "content.xml": "noise", "META-INF/manifest.xml": "<m:encryption-data/>"}
)
HTML_DOC = b"<html><body><p>fl&auml;x</p><script>never()</script></body></html>"
RTF = rb"{\rtf1\ansi{\fonttbl{\f0 Never;}}hem\'e4p and {\b cotton}\par}"
VCARD = (
    "BEGIN:VCARD\r\nFN:Ada Qu\r\n ill\r\nNOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:"
    + quopri.encodestring("Jute für alle".encode()).decode()
    + "\r\nPHOTO;ENCODING=BASE64:bmV2ZXI=\r\nEND:VCARD\r\n"
)
ICS = "BEGIN:VCALENDAR\r\nSUMMARY:Sisal\\nmeet\r\n ing\\, again\r\nEND:VCALENDAR\r\n"
INVOICE = b'<?xml version="1.0"?><r:Invoice xmlns:r="r"><r:ID>RE-2026-4711</r:ID></r:Invoice>'
KINDS: dict[str, tuple[bytes, str]] = {
    "a.docx": (docx("seven sacks", "of barley"), "seven sacks of barley"),
    "a.xlsx": (XLSX, "budget barley oatmeal 4711 5 rye"),
    "a.pptx": (PPTX, "wheat spelt"),
    "a.odt": (ODT, "grains footer millet sorghum teff may"),
    "a.pdf": (pdf("amaranth (red)", "second page"), "amaranth red second page"),
    "a.doc": (
        doc("fields \x13 HYPERLINK never \x14buckwheat\x15 and Öl\rend"),
        "fields buckwheat and ol end",
    ),
    "html.doc": (HTML_DOC, "flax"),
    "rich.doc": (RTF, "hemap and cotton"),
    "a.ppt": (ppt("kamut", "emmer"), "kamut emmer"),
    "a.xls": (xls([["quinoa", "maize"], ["chia"]]), "sheet quinoa maize chia"),
    "a.msg": (compound(msg("Harvest", "freekeh", {})), "harvest freekeh"),
    "html.msg": (compound(msg("Harvest", "", {}, b"<p>bulgur</p>")), "harvest bulgur"),
    "a.rtf": (RTF, "hemap and cotton"),
    "a.txt": ("Grüße aus Köln".encode("utf-16"), "grusse aus koln"),
    "latin.csv": ("größe;straße\n".encode("cp1252"), "grosse strasse"),
    "a.html": (b"<title>T</title><p>f&ouml;o", "foo"),
    "a.vcf": (
        VCARD.encode(),
        "begin vcard fn ada quill note encoding quoted printable charset utf 8 jute fur alle end vcard",
    ),
    "a.ics": (ICS.encode(), "begin vcalendar summary sisal meeting again end vcalendar"),
    "noname": (pdf("nameless"), "nameless"),
}
