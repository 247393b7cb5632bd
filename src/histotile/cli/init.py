"""The verb that sets up a project of the user's own."""

from pathlib import Path

import click

from histotile.cli.options import PATH, verb


@verb()
@click.argument("folder", type=PATH)
def init(folder: Path) -> None:
    """Write Snakefile, workflow, config and profiles into FOLDER, to run Snakemake there.

    Files that are there already are named, and then nothing is written.
    """
    from histotile.io.text.project import create

    click.echo(f"{folder}: {len(create(folder))} files written")
    click.echo("Next: list your slides in config/slides.csv, edit config/config.yaml (every key is")
    click.echo(f"explained there), then: cd {folder} && histotile check && snakemake")


VERBS = (init,)
