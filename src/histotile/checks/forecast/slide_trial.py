"""Stages that look at slides, tried on a few slides of a cohort."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from histotile.checks.forecast.bench import Bench
from histotile.checks.forecast.cost import size_of
from histotile.checks.forecast.made_up import some_tissue, spread_table, write_guesses
from histotile.checks.forecast.sample import Seen
from histotile.config import Config
from histotile.io.tables import read_table
from histotile.tasks.registry import config_task

TILES = 256  # about the most tiles of each that are read


class SlideTrial(Bench):
    """Stages of slides, tried on slides as a whole; but of their tiles few are read.

    Args:
        folder: An empty folder; results are laid out in it as the workflow lays them out.
        config: The settings.
        seen: The slides tried; each has tiles.
        cores: Jobs run side by side, as in the workflow.
    """

    def __init__(self, folder: Path, config: Config, seen: Sequence[Seen], cores: int) -> None:
        super().__init__(folder, config, cores)
        self.seen = seen
        self.names = [f"m{number}" for number in range(len(seen))]
        self.classes = (
            "--classes",
            json.dumps(config.task.facts(config.classes, of_training=False)),
        )
        self.backbone = ("--backbone", config.backbone.model_dump_json())

    def _network(self) -> None:
        size = ("--tile-px", self.config.tile.tile_px, *self.backbone)
        self.do("backbone", 0, *size, "-o", "backbone.onnx", wrote=["backbone.onnx"])

    def _cut(self, name: str, seen: Seen) -> None:
        """The slide inspected and masked as a whole; of its tiles at most TILES are read."""
        path, found, mask = seen.slide.path.absolute(), f"inspect/{name}.json", f"mask/{name}.png"
        given = ("--mpp", seen.slide.mpp) if seen.slide.mpp else ()
        to = ("-o", found, "--slide-id", name, *given, *self.settings("inspect"))
        self.do("inspect", 1, path, *to, wrote=[found])
        overlay = f"mask/{name}.overlay.jpg"
        to = ("--inspection", found, "-o", mask, "--overlay", overlay, *self.settings("mask"))
        self.do("mask", 1, path, *to, wrote=[mask, overlay])
        truth = [
            word for one in seen.slide.annotations for word in ("--annotation", one.absolute())
        ]
        truth += ["--label", seen.slide.label] if seen.slide.label else []
        for kind, few in (("none", 0), ("part", min(TILES, seen.tiles))):
            part, out = f"{name}.{kind}.png", f"tile/{name}.{kind}.parquet"
            some_tissue(self.folder / mask, seen, few, self.folder / found, self.folder / part)
            to = ("--inspection", found, "--mask", part, "-o", out, *self.classes)
            self.do("tile", few, path, *to, *truth, *self.settings("tile"), wrote=[out])
            _, cost = self.points["tile"].pop()
            rows = read_table(self.folder / out, ["x"]).num_rows  # of some rows of the grid, whole
            self.points["tile"].append((rows, cost))
        full = self.folder / "tile" / f"{name}.parquet"
        spread_table(self.folder / f"tile/{name}.part.parquet", seen, name, full)

    def _triage(self) -> None:
        rows = [
            f"{name},{json.dumps(str(seen.slide.path.absolute()))}"
            for name, seen in zip(self.names, self.seen, strict=True)
        ]
        (self.folder / "tried.csv").write_text("\n".join(["slide_id,path", *rows, ""]), "utf-8")
        accepted = {i: why for i, why in self.config.accept.items() if i.startswith("duplicate-")}
        given = ("--accept", json.dumps(accepted), *self.settings("inspect"))
        out = "triage/slides.csv"
        self.do(
            "triage", len(rows), "inspect", "--cohort", "tried.csv", "-o", out, *given, wrote=[out]
        )

    def _paint(self, name: str, seen: Seen) -> None:
        """Pictures and page of a slide with all its tiles, whose probabilities are made up."""
        tiles, guesses = f"tile/{name}.parquet", f"predict/{name}.parquet"
        write_guesses(self.folder / tiles, config_task(self.config), self.folder / guesses)
        picture = f"heatmap/{name}.png"
        self.do("heatmap", 1, tiles, guesses, "-o", picture, *self.settings("heatmap"))
        drawn = size_of(*self.folder.glob(f"heatmap/{name}.*"))
        number, cost = self.points["heatmap"].pop()
        self.points["heatmap"].append((number, replace(cost, disk=drawn)))
        (self.folder / f"{name}.csv").write_text(
            f"slide_id,path\n{name},{json.dumps(str(seen.slide.path.absolute()))}\n", "utf-8"
        )
        page = ("--cohort", f"{name}.csv", "--configuration", self.config.model_dump_json())
        words = (".", name, *page, *self.settings("report"))
        wrote = [f"report/slides/{name}.html", f"report/slides/{name}.jpg"]
        wrote += [f"report/slides/{name}_files"]
        self.do("report-slide", 1, *words, wrote=wrote)

    def _report(self) -> None:
        """The page of one slide, and of all that are tried."""
        rows = [p.read_text("utf-8").splitlines()[1] for p in sorted(self.folder.glob("m?.csv"))]
        words = ("--cohort", "all.csv", "--configuration", self.config.model_dump_json())
        for few in dict.fromkeys((1, len(rows))):
            text = "\n".join(["slide_id,path", *rows[:few], ""])
            (self.folder / "all.csv").write_text(text, "utf-8")
            shown = self.folder / "report/index.html"
            shown.unlink(missing_ok=True)
            self.do(
                "report", few, ".", *words, *self.settings("report"), wrote=["report/index.html"]
            )
