"""Pictures inside a page: as data URIs, as JPEGs that fit, and as thumbnails."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = bytes | NDArray[np.uint8]  # an encoded PNG, JPEG or WebP, or RGB (h, w, 3)


@dataclass(frozen=True)
class TopTile:
    """A tile worth a look.

    Args:
        image: The tile as the model saw it.
        probability: Of the shown class.
        x: Left edge, level-0 px.
        y: Top edge, level-0 px.
        rivals: The two most probable classes and their probabilities, most probable first.
    """

    image: Picture
    probability: float
    x: int
    y: int
    rivals: Sequence[tuple[str, float]] = ()


def data_uri(picture: bytes | NDArray[np.uint8]) -> str:
    """A `data:` address that holds the picture itself.

    Args:
        picture: An encoded PNG, JPEG, WebP or SVG, passed on unchanged, or RGB (h, w, 3), which
            becomes a JPEG.

    Raises:
        ValueError: The bytes are none of these formats.
    """
    encoded = picture if isinstance(picture, bytes) else encode_jpeg(picture, 92)
    return f"data:{_mime(encoded)};base64,{base64.b64encode(encoded).decode('ascii')}"


def svg_uri(svg: str) -> str:
    """A `data:` address of a drawing: shown as an image, it can neither run nor load anything."""
    return data_uri(svg.encode("utf-8"))


def encode_jpeg(rgb: NDArray[np.uint8], quality: int) -> bytes:
    """A JPEG of RGB (h, w, 3), made fast: a hundredth larger than the smallest of its quality."""
    return _jpeg(Image.fromarray(rgb), quality, optimize=False)


def fit_jpeg(picture: bytes | NDArray[np.uint8], max_bytes: int) -> bytes:
    """A JPEG of the picture of at most that many bytes; clear turns white.

    Its quality falls from 90 to 60, then its sides are halved as often as it takes, down to 16 px.
    """
    flat = _flat(picture)
    for quality in (90, 75, 60):
        encoded = _jpeg(flat, quality)
        if len(encoded) <= max_bytes:
            return encoded
    while len(encoded) > max_bytes and min(flat.size) >= 32:
        flat = flat.reduce(2)
        encoded = _jpeg(flat, 60)
    return encoded


def thumbnail(picture: bytes | NDArray[np.uint8], max_px: int = 160) -> bytes:
    """A JPEG of the picture, at most `max_px` on its longer side (a few kB); clear turns white."""
    flat = _flat(picture, max_px)
    flat.thumbnail((max_px, max_px), Image.Resampling.BOX)
    return _jpeg(flat, 80)


def _flat(picture: bytes | NDArray[np.uint8], draft_px: int | None = None) -> Image.Image:
    """RGB on white; a JPEG may come smaller, but no smaller than `draft_px`."""
    image = (
        Image.open(io.BytesIO(picture)) if isinstance(picture, bytes) else Image.fromarray(picture)
    )
    with image:
        if draft_px is not None:
            image.draft("RGB", (draft_px, draft_px))
        rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def _jpeg(image: Image.Image, quality: int, optimize: bool = True) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=optimize)
    return buffer.getvalue()


def _mime(encoded: bytes) -> str:
    if encoded.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if encoded.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if encoded[:4] == b"RIFF" and encoded[8:12] == b"WEBP":
        return "image/webp"
    if encoded.lstrip().startswith((b"<?xml", b"<svg", b"<!DOCTYPE svg")):
        return "image/svg+xml"
    raise ValueError(f"not a PNG, JPEG, WebP or SVG: it starts with {encoded[:8]!r}")
