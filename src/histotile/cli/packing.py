"""The verb that keeps pixels for training: pack."""

from pathlib import Path

import click

from histotile.cli.options import FILE, output_option, verb
from histotile.cli.progress import Progress
from histotile.config import Pack


@verb("pack")
@click.argument("tiles", type=FILE)
@output_option("Pack for `train --packs`: a ZIP file of tiles.")
def pack(tiles: Path, output: Path, settings: Pack) -> None:
    """Keep the pixels of the labelled tiles of a slide (table TILES) in one file, for training."""
    from histotile.data.packs.pack_writer import pack_tiles

    found = pack_tiles(tiles, output, settings, Progress(f"pack {tiles.stem}"))
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


VERBS = (pack,)
