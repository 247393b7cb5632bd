"""Text files as people's programs save them: the text, or what is wrong and how to save it."""

import codecs
import re
from pathlib import Path

from histotile.errors import HistotileError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAVE = "save it as UTF-8 (in Excel: `CSV UTF-8`; in an editor: encoding UTF-8)"
# What Windows-1252 makes of letters of other code pages, and seldom or never holds itself.
_OTHER_PAGE = re.compile(
    r"""[À-ÖØ-öø-ÿ]{3} | \b[À-ÖØ-öø-ÿ]{2}\b        # rows of accented letters: Cyrillic, Greek
      | [A-Za-zß-öø-ÿ][À-ÖØ-Þ][A-Z]?[a-z]          # a capital inside a word: Macintosh
      | [à-öø-ÿ][A-Z] | [a-z]þ | ñ[b-df-hj-np-tv-z] | ì[a-z] | \bæ[mlg]\b | Œ(?![A-Za-z])
      | [^\x00-\x7fÀ-ÖØ-öø-ÿŒœ\xa0µ°²³€’“”–—]      # signs and letters seldom used
      | [^\W\d_][°²³€“”–—][^\W\d_] | [^\W\d_]\xa0[a-z] | (?<!\d)(?<!\d[ ])°
      | (?<![\w)])’[a-z]|[a-z]{2}’(?![st]\b)[a-z]  # an apostrophe is none here
    """,
    re.VERBOSE,
)


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, UTF-16 or UTF-32 (with its mark), or Windows-1252.

    A file without a mark that is no UTF-8 is taken for Windows-1252 where that is the only reading:
    other code pages and the Macintosh's give signs inside words or rows of accented letters.

    Raises:
        HistotileError: No such file, or not to be read; a workbook; another encoding; NUL bytes;
            letters that were lost when it was saved. The line is named.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        fact = f"cannot be read ({error.strerror or error})"
        raise HistotileError(path, fact, "mend the path, or the rights of the file") from error
    _refuse_workbooks(path, data)
    text = decode(path, data)
    for bad, fact in (("\0", "NUL bytes"), ("�", "letters that were lost when it was saved")):
        if bad in text:
            line = len(text[: text.index(bad)].splitlines()) or 1
            raise HistotileError(path, f"line {line} holds {fact}", f"export it again: {_SAVE}")
    return text


def _refuse_workbooks(path: Path, data: bytes) -> None:
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        fact = "it is a workbook or a zip file, no text"
        raise HistotileError(path, fact, "export the sheet (in Excel: `CSV UTF-8`)")


def decode(path: Path, data: bytes) -> str:
    """The text of these bytes of a file, see `read_text`; NUL bytes stay.

    Raises:
        HistotileError: The encoding is none of these.
    """
    mark, encoding = next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", "utf-8"))
    try:
        return data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        if mark:
            fact = f"it begins as {encoding.upper()} and does not go on so ({error.reason})"
            raise HistotileError(path, fact, _SAVE) from error
        line = data[: error.start].count(b"\n") + 1
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        text = "\u017d"
    if odd := _OTHER_PAGE.search(text):
        shown = "" if text == "\u017d" else f", as {odd[0]!r} shows"
        fact = f"line {line}: its letters are neither UTF-8 nor Windows-1252{shown}"
        raise HistotileError(path, fact, _SAVE)
    return text
