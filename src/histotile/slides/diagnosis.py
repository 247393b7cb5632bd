"""Why a file is not taken as a slide, in words its owner understands."""

import re
from pathlib import Path

import tifffile

from histotile.errors import HistotileError
from histotile.slides.metadata.dicom import VOLUME, read_instance
from histotile.slides.metadata.tiff_pages import disorder
from histotile.slides.opening.files import companions, named_in
from histotile.slides.readers.tiff.tiff_file import OddTiff, open_tiff

AGAIN = "copy or export it again from the scanner's archive"
CONVERT = "convert it to a tiled pyramidal TIFF, e.g. `vips tiffsave IN OUT.tif --tile --pyramid`"

RENDER = (
    "export the channels you mean as one RGB picture from the viewer (QuPath: Export images, "
    "rendered RGB, OME-TIFF)"
)

SUFFIXES = (".svs", ".ndpi", ".mrxs", ".vms", ".vmu", ".scn", ".bif", ".dcm", ".svslide", ".czi")


def refusal(path: Path, vendor: str | None, message: str) -> HistotileError:
    """The error that says why OpenSlide does not take this file.

    Args:
        path: The file.
        vendor: The format OpenSlide took it for; None if for none.
        message: What OpenSlide said.
    """
    found = (
        _absent(path)
        or _companions(path)
        or _other_format(path)
        or _unfit_tiff(path, message)
        or _dicom(path, message)
    )
    if found is None and vendor:
        parts = f" or its {len(companions(path))} companion files" if companions(path) else ""
        found = f"a {vendor} slide, but it{parts} is damaged; OpenSlide says: {message}", AGAIN
    if found is None and path.suffix.lower() in SUFFIXES:
        found = f"no {path.suffix} slide despite its name: damaged or another kind of file", AGAIN
    fact, remedy = found or ("no slide format that OpenSlide knows", CONVERT)
    return HistotileError(path, fact, remedy)


def missing_pixels(path: Path) -> str | None:
    """What a TIFF-based slide lacks of the pixels it claims; None for whole or other files."""
    if not is_tiff(path):
        return None
    try:
        end, unlisted = _end_of_data(path), _unlisted_tiles(path)
    except OddTiff:
        return None  # no verdict: OpenSlide may still know this flavour of TIFF
    size = path.stat().st_size
    if end > size:
        return f"cut short: its pixels end at byte {end} but the file at {size}"
    return unlisted


def is_tiff(path: Path) -> bool:
    """Whether a file begins as TIFF or BigTIFF."""
    with path.open("rb") as handle:
        return handle.read(4) in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}


def _absent(path: Path) -> tuple[str, str] | None:
    if not path.exists():
        return "there is no such file", "correct its `path` in the cohort file"
    if path.is_dir():
        return "a folder, and none of a DICOM series", "name the slide file inside it"
    if not path.is_file():
        return "a pipe or device, no file", "copy the slide into a file and name that"
    if path.stat().st_size == 0:
        return "the file is empty (zero bytes)", AGAIN
    return None


def _companions(path: Path) -> tuple[str, str] | None:
    if path.suffix.lower() == ".mrxs":
        folder = path.with_suffix("")
        needed = [folder / "Slidedat.ini", folder / "Index.dat"]
    elif path.suffix.lower() in {".vms", ".vmu"}:
        needed = named_in(path)
    else:
        return None
    missing = [p for p in needed if not p.is_file()]
    if not missing:
        return None
    names = ", ".join(str(p.relative_to(path.parent)) for p in missing[:3])
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return (
        f"companion file missing: {names}{more}",
        "copy the slide's companion files and keep their names",
    )


def _other_format(path: Path) -> tuple[str, str] | None:
    with path.open("rb") as handle:
        head = handle.read(64)
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the slide itself", "fetch the slide with `git lfs pull`"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "a web page, not a slide: the download failed", "download it again"
    known = {
        b"\xff\xd8\xff": "a plain JPEG picture",
        b"\x89PNG": "a plain PNG picture",
        b"BM": "a plain BMP picture",
        b"GIF8": "a plain GIF picture",
        b"\x00\x00\x00\x0cjP": "a plain JPEG 2000 picture",
        b"\xff\x4f\xff\x51": "a plain JPEG 2000 picture",
        b"RIFF": "a plain WebP picture",
        b"PK\x03\x04": "a ZIP archive",
        b"%PDF": "a PDF document",
    }
    for magic, name in known.items():
        if head.startswith(magic) and path.suffix.lower() != ".mrxs":  # MIRAX begins as a JPEG
            return f"{name}, not a slide that OpenSlide takes", CONVERT
    return None


def _unfit_tiff(path: Path, message: str) -> tuple[str, str] | None:
    compression = re.search(r"Unsupported TIFF compression: (\d+)", message)
    if compression:
        code = int(compression[1])
        known = {c.value: c.name for c in tifffile.COMPRESSION}
        name = known.get(code, "unknown")
        return f"a TIFF with {name} compression (code {code}), which OpenSlide lacks", CONVERT
    if not is_tiff(path):
        return None
    cut = missing_pixels(path)
    if cut:
        return cut, AGAIN
    try:
        with open_tiff(path) as tiff:
            tiled, odd = tiff.pages.first.is_tiled, disorder(tiff)
    except OddTiff:
        return "a TIFF whose directory cannot be read: damaged or cut short", AGAIN
    if odd:
        return f"its {odd} cannot be levels of one slide: one of them is another picture", CONVERT
    return None if tiled else ("a TIFF in strips; OpenSlide takes tiled TIFF only", CONVERT)


def _dicom(path: Path, message: str) -> tuple[str, str] | None:
    with path.open("rb") as handle:
        is_dicom = handle.read(132)[128:] == b"DICM"
    if not is_dicom:
        return None
    instance = read_instance(path)
    if instance is not None and instance.kind not in {"", VOLUME}:
        kind = instance.kind.lower()
        fact = f"the {kind} of a DICOM slide, whose levels do not lie beside it"
        return fact, "name the folder of the whole series"
    return f"DICOM that OpenSlide does not take as a slide: {message}", (
        "use VL Whole Slide Microscopy files in JPEG or JPEG 2000, one slide per folder"
    )


def _end_of_data(path: Path) -> int:
    with open_tiff(path) as tiff:
        ends = [
            int(offset) + int(count)
            for page in tiff.pages
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
        ]
    return max(ends, default=0)


def _unlisted_tiles(path: Path) -> str | None:
    with open_tiff(path) as tiff:
        for page in tiff.pages:
            if not isinstance(page, tifffile.TiffPage) or not page.is_tiled:
                continue
            across, down = (
                -(-page.imagewidth // page.tilewidth),
                -(-page.imagelength // page.tilelength),
            )
            listed = len(page.dataoffsets)
            if listed < across * down:
                size = f"{page.imagewidth} x {page.imagelength} px"
                return (
                    f"its directory lists {listed} of the {across * down} tiles of {size}: damaged"
                )
    return None
