"""Write the frozen backbone as one file, by which `embed` needs no PyTorch on a processor."""

from dataclasses import dataclass
from pathlib import Path

import click

from histotile.config import Backbone
from histotile.inference.backbone_onnx import write_backbone


@dataclass(frozen=True)
class Outputs:
    """ONNX: uint8-scaled RGB tiles (0-1) in, features of all stages out."""

    network: Path


def run(outputs: Outputs, settings: Backbone, tile_px: int) -> None:
    """Writes the network; one that only PyTorch can run is a file that says so."""
    reason = write_backbone(outputs.network, settings, tile_px)
    told = f"PyTorch alone can run it: {reason}" if reason else f"{outputs.network}: all agree"
    click.echo(told)
