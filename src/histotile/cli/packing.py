"""The verb that keeps pixels for training: pack."""

from pathlib import Path

import click

from histotile.cli.options import FILE, output_option, slide_option, verb
from histotile.config import Pack


@verb("pack")
@click.argument("tiles", type=FILE)
@slide_option
@output_option("Pack for `train --packs`: a ZIP file of tiles.")
def pack(tiles: Path, slide: Path | None, output: Path, settings: Pack) -> None:
    """Keep the pixels of the labelled tiles of a slide (table TILES) in one file, for training."""
    from histotile.stages import pack as stage

    stage.run(stage.Inputs(tiles, slide), stage.Outputs(output), settings)


VERBS = (pack,)
