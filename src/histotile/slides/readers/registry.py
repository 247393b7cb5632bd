"""Which reader opens a slide file.

Readers are asked in the order of `READERS`; the first that takes the file reads it, and the reasons
of those before it stand in its note. To add a reader:

1. Write `readers/<name>.py` (or a room of that name) with a class that is a `SlideReader`. Its
   constructor takes an `Opening` and raises `Unsuited` where the file is none of its own: `final`
   if it knows the format and no other reader should be asked. Reads raise `UnreadableTile`.
2. Add a row here, with the import inside its function: what a format needs is loaded with its first
   file. Use `import`: the code digest does not see `importlib.import_module("...")`.
3. State in `properties` what the file says of its scale, under OpenSlide's keys.
4. Bound the memory of every read, and say in the `Unsuited` of a file that needs more what to do.
5. Test that windows equal the written picture at every level, at borders and outside, as
   tests/slides/readers/image/test_reader.py does.
"""

from collections.abc import Callable
from typing import NamedTuple

from histotile.slides.readers.protocol import Opening, SlideReader, Unsuited


class Row(NamedTuple):
    """A reader: its name, and what opens a file by it."""

    name: str
    open: Callable[[Opening], SlideReader]


def open_reader(opening: Opening) -> SlideReader:
    """The first reader that takes a file, of those wanted.

    Raises:
        HistotileError: None does; the reason is that of the first reader asked.
    """
    refused: list[Unsuited] = []
    for name, open_file in READERS:
        if opening.wanted not in {"auto", name}:
            continue
        try:
            return open_file(opening._replace(why="; ".join(e.refusal.fact for e in refused)))
        except Unsuited as error:
            refused.append(error)
            if error.final:
                raise error.refusal from error
    raise refused[0].refusal from refused[0]


def _openslide(opening: Opening) -> SlideReader:
    from histotile.slides.readers.openslide import OpenSlideReader

    return OpenSlideReader(opening)


def _image(opening: Opening) -> SlideReader:
    from histotile.slides.readers.image.reader import ImageReader

    return ImageReader(opening)


READERS = (Row("openslide", _openslide), Row("image", _image))
