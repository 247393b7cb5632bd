"""Keep the pixels of the labelled tiles of a slide in one file, for training."""

from dataclasses import dataclass
from pathlib import Path

import click

from histotile.config import Pack
from histotile.data.packs.pack_writer import pack_tiles
from histotile.io.progress import Progress


@dataclass(frozen=True)
class Inputs:
    """Tile table of the slide, and where it is; None: where it was when it was tiled."""

    tiles: Path
    slide: Path | None = None


@dataclass(frozen=True)
class Outputs:
    """A ZIP file of tiles."""

    pack: Path


def run(inputs: Inputs, outputs: Outputs, settings: Pack) -> None:
    """Writes the pack; one without tiles where that is as fast, as `pack.use` may say."""
    tiles = inputs.tiles
    progress = Progress(f"pack {tiles.stem}")
    found = pack_tiles(tiles, outputs.pack, settings, progress, inputs.slide)
    if not found["tiles"]:
        click.echo(f"{found['slide_id']}: no labelled tile, nothing to pack")
        return
    times = ""
    if "pack_ms" in found:
        times = f"; {found['slide_ms']} ms per tile from the slide, {found['pack_ms']} packed"
    if found["read_from"] == "slide":
        click.echo(f"{found['slide_id']}: not packed, training reads the slide{times}")
        return
    click.echo(
        f"{found['slide_id']}: {found['tiles']} tiles, {found['copied']} of them copied, "
        f"{found['bytes'] / 1e6:.1f} MB{times}"
    )
