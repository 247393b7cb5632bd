"""The command line: one verb per rule, named alike.

A verb reads files, calls one function and writes files. Heavy libraries are imported inside the
verbs, so that `--help` and the light verbs start at once.
"""

import sys
from pathlib import Path

import click

from histotile import __version__
from histotile.cli import (
    apply,
    checking,
    decisions,
    images,
    init,
    models,
    packing,
    pages,
    practice,
    results,
    slides,
)
from histotile.cli.options import FILE
from histotile.config.renamed import VERBS
from histotile.errors import HistotileError


class OrderedGroup(click.Group):
    """Verbs listed in the order of the workflow instead of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the verbs, first stage first."""
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb; where it had another name in earlier versions, an error that says so."""
        if cmd_name in VERBS:
            ctx.fail(f"`{cmd_name}` {VERBS[cmd_name]}")
        return super().get_command(ctx, cmd_name)


@click.group(
    cls=OrderedGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="histotile")
@click.option("--config", type=FILE, help="YAML whose keys replace those of config/config.yaml.")
@click.pass_context
def cli(context: click.Context, config: Path | None) -> None:
    """Slides in; tile classifiers, heatmaps and models out. Research use only.

    Positions are level-0 pixels, lengths carry their unit in the name (_px, _um), and scale is mpp:
    micrometres per pixel. Settings come from ./config/config.yaml; change one for a single run with
    --set key=value.
    """
    context.obj = config


for _verb in (
    *init.VERBS,
    *checking.VERBS,
    *slides.VERBS,
    *images.VERBS,
    *models.BEFORE_DECIDING,
    *decisions.VERBS,
    *packing.VERBS,
    *practice.VERBS,
    *models.VERBS,
    *results.VERBS,
    *pages.VERBS,
    *practice.COMPARING,
    *apply.VERBS,
):
    cli.add_command(_verb)


def main() -> None:
    """Run a verb; user mistakes end with exit code 2 and say file, fact and remedy."""
    try:
        cli.main(standalone_mode=False)
    except HistotileError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
