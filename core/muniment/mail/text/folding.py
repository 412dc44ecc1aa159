"""Folding: the one form in which texts and queries are compared and hits are marked.

    fold("İSTANBUL şubesi, Nr. ﾃﾞｰﾀ")  ->  "istanbul subesi nr デ ー タ"

The result is words with blanks between them; everything that is no word becomes a blank. The rules:
- Characters that the screen leaves out (system/sanitise.py: zero-width characters, soft hyphens, direction
  marks, escape sequences) are left out here, too. So a word is found as it reads.
- Width, ligatures, mathematical letters and the like are those of NFKC. Case is folded.
- Accents are removed: combining marks that are accents, points or tones, in every script. Marks that make
  another letter stay: vowel signs, viramas, voiced kana, the breve of й and ў, the dots of ї. The nukta of
  Devanagari is removed, since most people leave it out; in other scripts it makes another letter and stays.
- Letters that do not decompose, but that people type without their stroke, lose it: ø, ł, đ, ı. æ becomes
  ae, ß becomes ss. Arabic has one alef, one yeh, one kaf, one heh, and no tatweel. All digits are 0 to 9.
- Scripts without blanks between words are cut into letters, so a query of several letters is a phrase.
- A word is a run of letters, digits and marks. Every form of apostrophe separates words.

Umlauts have two spellings, Müller and Mueller. `halfway` keeps these letters (SPELLED). From its result,
`plain` makes the word without accents and `spelled` the word written out. A word is indexed plain, and also
written out if it has such a letter; a query asks for both. So Mueller finds Müller and Müller finds Mueller,
but a word that merely contains ue (neue, blue, juego) finds nothing but itself.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from muniment.system.sanitise import without_escapes, without_hidden

SPELLED = {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"}
"""Letters that have a second spelling."""
_PLAIN = {"ä": "a", "ö": "o", "ü": "u", "ø": "o", "å": "a"}
DIGRAPHS = frozenset(SPELLED.values())

_UNSPACED = (
    # Thai and Lao, Burmese, Khmer, Tai Le and New Tai Lue, Tai Tham, kana with iteration marks and bopomofo.
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\u3005-\u3007\u3041-\u312f\u31a0-\u31bf"
    # Further kana, Han, Yi, Burmese and Javanese and Tai Viet, Korean syllables, the rest of Han and kana.
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\ua4cf\ua980-\ua9ff\uaa60-\uaadf\uac00-\ud7af\uf900-\ufaff"
    "\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
UNSPACED = re.compile(f"[{_UNSPACED}]")
"""Letters of scripts that put no blanks between words."""

_STROKES = """
æae ðd øo þth đd ħh ıi ĸq łl ŋn œoe ŧt ƀb ƃb ƈc ƌd ƒf ƕhv ƙk ƚl ƞn ƥp ƫt ƭt ƴy ƶz ƿw ǝe ǥg ȝz ȡd ȣou ȥz ȴl ȵn
ȶt ȷj ȸdb ȹqp ȼc ȿs ɀz ɇe ɉj ɋq ɍr ɏy ɐa ɓb ɔo ɕc ɖd ɗd ɘe əa ɚa ɛe ɜe ɝe ɞe ɟj ɠg ɡg ɢg ɥh ɦh ɨi ɪi ɫl ɬl ɭl
ɯm ɰm ɱm ɲn ɳn ɴn ɵo ɶoe ɼr ɽr ɾr ɿr ʀr ʁr ʂs ʄj ʇt ʈt ʉu ʋv ʌv ʍw ʎy ʏy ʐz ʑz ʗc ʙb ʚe ʛg ʜh ʝj ʞk ʟl ʠq ʣdz
ʥdz ʦts ʨtc ʪls ʫlz ʮh ʯh ᴀa ᴁae ᴂae ᴃb ᴄc ᴅd ᴆd ᴇe ᴈe ᴉi ᴊj ᴋk ᴌl ᴍm ᴎn ᴏo ᴐo ᴔoe ᴕou ᴖo ᴗo ᴘp ᴙr ᴚr ᴛt ᴜu
ᴠv ᴡw ᴢz ᵫue ᵹg ᵺth ᵻi ᵼi ᵽp ᵾu ᵬb ᵭd ᵮf ᵯm ᵰn ᵱp ᵲr ᵳr ᵴs ᵵt ᵶz ᵷg ᶀb ᶁd ᶂf ᶃg ᶄk ᶅl ᶆm ᶇn ᶈp ᶉr ᶊs ᶌv ᶍx
ᶎz ᶏa ᶑd ᶒe ᶓe ᶔe ᶕa ᶖi ᶗo ᶙu ẜs ẝs ỻll ỿy ↄc ⱡl ⱥa ⱦt ⱨh ⱪk ⱬz ⱱv ⱳw ⱴv ⱶh ⱸe ⱺo ⱻe ꜩtz ꜰf ꜱs ꜳaa ꜵao ꜷau ꜹav
ꜻav ꜽay ꜿc ꝁk ꝃk ꝅk ꝇl ꝉl ꝋo ꝍo ꝏoo ꝑp ꝓp ꝕp ꝗq ꝙq ꝛr ꝟv ꝡvy ꝣz ꝧth ꝺd ꝼf ꝿg ꞁl ꞃr ꞅs ꟻf ꟼp ꟽm ꟾi ꟿm
"""
"""Letters that do not decompose, each followed by what Lucene's ASCIIFoldingFilter makes of it (Apache
2.0)."""
_LETTERS = {pair[0]: pair[1:] for pair in _STROKES.split()}
_LETTERS |= dict.fromkeys("\u02b9\u02ba\u02bb\u02bc\u02bd\u02be\u02bf", " ")  # apostrophes that are letters
_LETTERS |= {
    # Arabic: tatweel; alef wasla; yeh without dots and of Persian; kaf of Persian; teh marbuta, further hehs.
    "\u0640": "", "\u0671": "\u0627", "\u0649": "\u064a", "\u06cc": "\u064a", "\u06a9": "\u0643",
    "\u0629": "\u0647", "\u06c1": "\u0647", "\u06c3": "\u0647", "\u06d5": "\u0647",
}  # fmt: skip
_KEPT = frozenset("йўї")
"""Letters whose mark is no accent."""
_VOICED = frozenset("\u3099\u309a")
_NUKTA_OFF = "\u093c"
_LETTER_CLASSES = frozenset({7, 8, 9, 84, 91, 103, 118, 129, 130, 132})
"""Combining classes of marks that make another letter: nuktas, voicing, viramas, and vowel signs with classes
of their own. All other classes except 0 are accents, points of Hebrew and Arabic, and tones."""

_APART = re.compile(
    # Symbols that mean letters or digits, and fractions: ™ is no part of the word before it.
    "[\xbc-\xbe\u20a8\u2100\u2101\u2103\u2105\u2106\u2109\u2116\u2120-\u2122\u213b\u2150-\u215f\u2189"
    "\u3200-\u33ff\ufdfc\U0001f14a-\U0001f14f\U0001f16a-\U0001f16c\U0001f190]"
)
_LONG = {"\ufdfa": "\u0635\u0644\u064a", "\ufdfb": "\u062c\u0644"}
"""Ligatures of whole sentences. The first word represents them, since NFKC makes 18 letters of one."""
_REORDERED = re.compile("([\u0e4d\u0ecd])([\u0e48-\u0e4b\u0ec8-\u0ecb])")
"""Sara am, typed in two pieces around a tone. NFKC makes the same pieces of it, behind the tone."""
_DECOMPOSED = re.compile("[aouAOU]\u0308|[aA]\u030a")
"""Letters of SPELLED whose first half is ASCII."""
_RUN = re.compile(rb"[\x80-\xff]+")
_SHORT = 96
"""Longest run, in bytes, whose folding is cached."""


def fold(text: str) -> str:
    """The words of a text as they are compared, separated by blanks. Time and memory are linear."""
    return plain(halfway(text))


def plain(half: str) -> str:
    """The result of `halfway` with umlauts and similar letters reduced to their base letter."""
    if half.isascii():
        return half
    for letter, base in _PLAIN.items():
        half = half.replace(letter, base)
    return half


def spelled(half: str) -> str:
    """The result of `halfway` with umlauts and similar letters written out."""
    if half.isascii():
        return half
    for letter, letters in SPELLED.items():
        half = half.replace(letter, letters)
    return half


def second_spellings(half: str) -> set[str]:
    """The words in a result of `halfway` that have an umlaut or similar letter, written out."""
    if half.isascii():
        return set()
    found = set()
    for letter in SPELLED:
        at = half.find(letter)
        while at >= 0:
            start, end = half.rfind(" ", 0, at) + 1, half.find(" ", at)
            end = len(half) if end < 0 else end
            found.add(half[start:end])
            at = half.find(letter, end)
    return set(spelled(" ".join(found)).split())


def halfway(text: str) -> str:
    """`fold`, except that the letters of SPELLED stay."""
    if text.isascii() and "\x1b" not in text:
        return text.encode().translate(_ASCII).decode()
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        return _any_text(text)
    for letter, letters in _LATIN_PAIRS:
        if letter in raw:
            raw = raw.replace(letter, letters)
    folded = raw.translate(_LATIN, b"\xad")
    return _any_text(text) if b"\0" in folded else folded.decode("latin-1")


def _any_text(text: str) -> str:
    text = without_escapes(text)
    if "\u0308" in text or "\u030a" in text:
        text = _DECOMPOSED.sub(_composed, without_hidden(text))
    raw = text.encode("utf-8", "replace").translate(_ASCII)
    return _RUN.sub(_run, raw).decode()


def _composed(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", match[0])


def _run(match: re.Match[bytes]) -> bytes:
    """Fold a run of non-ASCII characters.

    It can be read alone: a mark on an ASCII letter is removed anyway.
    """
    run = match[0]
    return _known_run(run) if len(run) <= _SHORT else _folded(run)


def _folded(run: bytes) -> bytes:
    text = without_hidden(run.decode())
    for ligature, word in _LONG.items():
        text = text.replace(ligature, word)
    text = unicodedata.normalize("NFKC", _APART.sub(r" \g<0> ", text)).translate(_TABLE)
    if not text.isascii():
        text = unicodedata.normalize("NFC", _REORDERED.sub(r"\2\1", text))
    return text.encode()


_known_run = lru_cache(maxsize=16_384)(_folded)


class _Table(dict[int, str]):
    """Maps each character to its folded form.

    Entries are made at first use, since there are over a million.
    """

    def __missing__(self, code: int) -> str:
        found = self[code] = _character(chr(code))
        return found


def _character(char: str) -> str:
    """The folded form of a character of an NFKC text."""
    kind = unicodedata.category(char)
    if kind[0] == "M":
        return _mark(char)
    if kind[0] == "N":
        return _digit(char)
    if kind[0] != "L":
        return " "
    letters = unicodedata.normalize("NFC", _letter(char))
    return f" {letters} " if UNSPACED.match(letters) else letters


def _letter(char: str) -> str:
    """A letter without its accents, in lower case."""
    lower = char.casefold()
    if lower in _KEPT or lower in SPELLED:
        return lower
    parts = unicodedata.normalize("NFD", char)
    if len(parts) == 1:
        return "".join(_LETTERS.get(one, one) for one in lower)
    if unicodedata.category(parts[1])[0] != "M" or not _VOICED.isdisjoint(parts):
        return char  # syllables of Korean, voiced kana
    return "".join(
        _mark(part).strip() if unicodedata.category(part)[0] == "M" else _letter(part) for part in parts
    )


def _mark(char: str) -> str:
    order = unicodedata.combining(char)
    accent = order not in _LETTER_CLASSES if order else unicodedata.category(char) == "Me"
    if accent or char == _NUKTA_OFF:
        return ""
    return f" {char} " if UNSPACED.match(char) else char


def _digit(char: str) -> str:
    digit = unicodedata.decimal(char, None)
    if digit is not None:
        return str(digit)
    number = unicodedata.numeric(char, None)
    if number is not None and "\u2460" <= char <= "\u27bf":
        return str(int(number))  # circled digits that NFKC does not change
    return f" {char} " if UNSPACED.match(char) else char


_TABLE = _Table()
_ASCII = bytes(
    code if code >= 128 else ord(chr(code).lower()) if chr(code).isalnum() else 32 for code in range(256)
)
"""A translation table: letters in lower case, digits, and blanks. Bytes of non-ASCII characters stay."""


def _latin() -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The folding of Latin-1 by bytes, and the letters that become two.

    NUL marks a byte for which `_any_text` is needed.
    """
    table, pairs = bytearray(_ASCII), []
    for code in (0, 27, *range(128, 256)):
        char = chr(code)
        folded = _folded(char.encode()).decode() if code >= 128 else "\0"
        if len(folded) == 2 and folded.isalpha():
            pairs.append((char.encode("latin-1"), folded.encode()))
        fits = len(folded) == 1 and ord(folded) < 256 and not 128 <= code < 160
        table[code] = ord(folded) if fits else 32 if folded.isspace() and not 128 <= code < 160 else 0
    return bytes(table), pairs


_LATIN, _LATIN_PAIRS = _latin()
