"""Encodings: what is taken for what, and what is refused instead of being read wrongly."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.errors import HistotileError
from histotile.io.text.text_file import decode, read_text

WESTERN = ["Köln", "Müller", "Größe", "Île-de-France", "São Paulo", "l’hôpital", "d’Or", "Mary’s"]
WESTERN += ["Åse Øystein", "MÜLLER", "créée", "Ángel Ñuñez", "5 µm", "cœur", "Sint – Oost", "20 °C"]


@pytest.mark.parametrize("word", WESTERN)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_files_of_western_europe_are_taken(tmp_path: Path, word: str, encoding: str) -> None:
    (tmp_path / "a").write_bytes(f"site\r\n{word},x\r\n".encode(encoding))
    assert read_text(tmp_path / "a") == f"site\r\n{word},x\r\n"


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("mac_roman", ["Köln", "Málaga", "François", "Zürich", "John’s", "d’Or"]),
        ("cp850", ["Köln", "Málaga", "François", "5 µm"]),
        ("cp1250", ["Łódź", "Wrocław", "Gdańsk", "Žižkov", "Brno město"]),
        ("cp1251", ["Москва", "Ёж", "Юг 2"]),
        ("cp1253", ["Αθήνα"]),
        ("cp1254", ["Beşiktaş"]),
        ("koi8-r", ["Москва"]),
        ("shift_jis", ["東京病院"]),
        ("gbk", ["北京", "肿瘤"]),
        ("euc_kr", ["서울"]),
    ],
)
def test_other_code_pages_are_refused_rather_than_read_wrongly(
    encoding: str, words: list[str]
) -> None:
    for word in words:
        with pytest.raises(HistotileError, match=r"line 2: .*UTF-8"):
            decode(Path("a"), f"site\n{word},x\n".encode(encoding))


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0�")))
def test_unicode_survives_in_all_its_encodings(text: str) -> None:
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert decode(Path("a"), text.encode(encoding)) == text
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        assert decode(Path("a"), mark + text.encode(encoding)) == text


@given(st.binary(max_size=200))
def test_any_bytes_are_text_or_a_refusal(data: bytes) -> None:
    try:
        assert isinstance(decode(Path("a"), data), str)
    except HistotileError as error:
        assert "save it as UTF-8" in error.remedy


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a,b\n1,\0\n", "line 2 holds NUL"),
        ("a,b\nc,d\n".encode("utf-16-le"), "line 1 holds NUL"),
        ("a\nM�ller\n".encode(), "line 2 holds letters that were lost"),
        (b"\xff\xfea", "begins as UTF-16"),
        (b"PK\x03\x04\0\0", "workbook"),
    ],
)
def test_damaged_files_are_named_with_their_line(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(HistotileError, match=said):
        read_text(tmp_path / "a.csv")


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(HistotileError, match="cannot be read"):
        read_text(tmp_path / "none")
