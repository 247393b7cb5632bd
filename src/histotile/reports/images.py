"""Pictures inside a page: as data URIs, and as thumbnails."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def data_uri(picture: bytes | NDArray[np.uint8]) -> str:
    """A `data:` address that holds the picture itself.

    Args:
        picture: An encoded PNG, JPEG, WebP or SVG, passed on unchanged, or RGB (h, w, 3), which
            becomes a JPEG.

    Raises:
        ValueError: The bytes are none of these formats.
    """
    encoded = picture if isinstance(picture, bytes) else _jpeg(Image.fromarray(picture), 92)
    return f"data:{_mime(encoded)};base64,{base64.b64encode(encoded).decode('ascii')}"


def svg_uri(svg: str) -> str:
    """A `data:` address of a drawing: shown as an image, it can neither run nor load anything."""
    return data_uri(svg.encode("utf-8"))


def thumbnail(picture: bytes | NDArray[np.uint8], max_px: int = 160) -> bytes:
    """A JPEG of the picture, at most `max_px` on its longer side (a few kB); clear turns white."""
    image = (
        Image.open(io.BytesIO(picture)) if isinstance(picture, bytes) else Image.fromarray(picture)
    )
    with image:
        image.draft("RGB", (max_px, max_px))
        rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    flat = Image.alpha_composite(white, rgba).convert("RGB")
    flat.thumbnail((max_px, max_px), Image.Resampling.BOX)
    return _jpeg(flat, 80)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
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
