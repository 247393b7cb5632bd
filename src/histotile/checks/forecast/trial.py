"""Every stage on a few tiles of this cohort, in a folder that is thrown away, and what it took."""

import json
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from histotile.checks.forecast.bench import (
    Bench,
    Points,
)
from histotile.checks.forecast.cost import (
    measure,
    size_of,
)
from histotile.checks.forecast.made_up import (
    deal_tables,
    join_tables,
    pseudo_cohort,
    repeat_baseline,
    repeat_tiles,
    some_tissue,
    spread_table,
    write_guesses,
)
from histotile.checks.forecast.sample import Seen
from histotile.checks.forecast.training_cost import (
    bytes_of_rows,
    tiles_taught,
    trained_strategy,
)
from histotile.config import Config
from histotile.io.tables import read_table

MEASURED = 3  # slides on which stages of slides are tried
TIMES = 8  # how often tiles are repeated to see how training grows with them
TILES = 256  # most tiles of each that are read
FEWEST, MOST = 4, 8  # patients of each class in the made-up cohort


class Trial(Bench):
    """Stages tried on a few slides, each with the threads of its rule.

    Args:
        folder: An empty folder; results are laid out in it as the workflow lays them out.
        config: The settings.
        seen: The slides tried; each has tiles.
        patients: Of each class in the cohort, about.
        cores: Jobs run side by side, as in the workflow.
    """

    def __init__(
        self, folder: Path, config: Config, seen: Sequence[Seen], patients: int, cores: int
    ) -> None:
        super().__init__(folder, config, cores)
        self.seen = seen
        self.alike = min(MOST, max(FEWEST, patients))
        self.folds = min(config.split.folds, self.alike)
        self.names = [f"m{number}" for number in range(len(seen))]
        self.classes = ("--classes", json.dumps(config.classes))
        self.backbone = ("--backbone", config.backbone.model_dump_json())

    def run(self) -> Points:
        """Stage -> what it took: (number of tiles or slides, cost) from few to many.

        Raises:
            HistotileError: A stage fails.
        """
        with ThreadPoolExecutor(self.cores) as pool:
            network = pool.submit(self._network)
            list(pool.map(self._cut, self.names, self.seen))
            network.result()
            self._pretend()
            list(pool.map(lambda step: step(), (self._features, self._baseline_few)))
            self._decide()
            list(pool.map(lambda step: step(), (self._train, self._train_many, self._compare)))
            self._train_layers()
            self._predict()
            list(pool.map(lambda step: step(), (self._export, self._evaluate)))
            list(pool.map(self._paint, self.names, self.seen))
            self._report()
        return self.points

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
        labels = self.config.tile.labels.model_copy(update={"source": "slide"})
        settings = self.settings("tile", labels=labels)
        most = min(TILES, seen.tiles)
        for few in (0, most):
            part, out = f"{name}.{few}.png", f"tile/{name}.{few}.parquet"
            some_tissue(self.folder / mask, seen, few, self.folder / found, self.folder / part)
            to = ("--inspection", found, "--mask", part, "-o", out, *self.classes, *settings)
            self.do("tile", few, path, *to, "--threads", 1, wrote=[out])
        full = self.folder / "tile" / f"{name}.parquet"
        spread_table(self.folder / f"tile/{name}.{most}.parquet", seen, name, full)

    def _pretend(self) -> None:
        """A cohort of some patients per class, dealt from the tiles that were read."""
        parts = sorted(self.folder.glob("tile/m?.[1-9]*.parquet"))
        self.patients = pseudo_cohort(self.config.classes, self.alike, self.folder / "cohort.csv")
        self.tiles = deal_tables(parts, self.patients, self.folder / "few")
        self._taught = self.tiles * (self.folds - 1) / self.folds
        join_tables(parts, self.folder / "all/all.parquet")
        split = self.settings("split", folds=self.folds, test_patients=(), preserve_sites=False)
        words = ("cohort.csv", "-o", "folds.csv", *self.classes, *split)
        self.do("split", len(self.patients), *words, wrote=["folds.csv"])

    def _features(self) -> None:
        engine = self.config.engine.model_copy(
            update={"precision": "float32", "max_difference": 0.005, "compile": False}
        )
        with_network = ("--network", "backbone.onnx", *self.backbone, "--threads", 1)
        given = (*with_network, "--engine", engine.model_dump_json(), *self.settings("embed"))
        tables = [f"few/{name}.parquet" for name in self.patients]
        measure("embed", *tables, "-o", "embed", *given, folder=self.folder)
        for tiles, table in self._one_and_all():
            self.do("embed", tiles, table, "-o", "one.h5", *given, wrote=["one.h5"])
            (self.folder / "one.h5").unlink()

    def _one_and_all(self) -> list[tuple[float, str]]:
        """(Tiles, table) of a made-up slide and of all the tiles."""
        found = [f"few/{next(iter(self.patients))}.parquet", "all/all.parquet"]
        return [(read_table(self.folder / name, ["x"]).num_rows, name) for name in found]

    def _baseline_few(self) -> None:
        self._baseline(max(64, self.tiles // 4), "few.h5")

    def _baseline(self, tiles: int, out: str) -> None:
        threads = ("--threads", self.threads("baseline"))
        given = ("--tiles", "few", *self.classes, *self.backbone, *threads)
        settings = self.settings("baseline", max_tiles=tiles)
        self.do("baseline", tiles, "folds.csv", "-o", out, *given, *settings, wrote=[out])

    def _decide(self) -> None:
        """On the tiles that were read, and on the same ones many times over."""
        self._baseline(self.tiles, "baseline.h5")
        for name in self.patients:
            repeat_tiles(self.folder, name, TIMES)
        many = repeat_baseline(self.folder, TIMES)
        alarms = self.config.decide.alarms.model_copy(update={"stop": False})
        for tiles, kind in ((many, "many"), (many / TIMES, "")):
            words = ("cohort.csv", "--folds", "folds.csv", "--features", f"{kind}embed")
            given = ("--baseline", f"{kind}baseline.h5", "--tiles", kind or "few", *self.classes)
            outs = ("-o", "decide/decision.json", "--picture", "decide/decision.svg")
            page = ("--page", "decide/index.html", "--train", self.config.train.model_dump_json())
            settings = self.settings("decide", alarms=alarms)
            self.do("decide", tiles, *words, *given, *outs, *page, *settings)
            self.points["decide"][-1] = self.sized("decide", "decide")

    def _learn(self, stage: str, tiles: float, *words: object, **changes: object) -> None:
        """Trains a fold on few tiles, or on the same ones many times over."""
        many = "many" if tiles > self.tiles else ""
        given = ("--folds", "folds.csv", "--tiles", many or "few", "--features", many + "embed")
        decision = ("--decision", "decide/decision.json")
        settings = self.settings("train", **({"strategy": "linear_probe"} | changes))
        verb, out = ("compare" if stage == "compare" else "train"), str(words[-1])
        threads = ("--threads", self.threads(verb))
        more = (*decision, *self.classes, *self.backbone, *threads, *settings, "-o", out)
        self.do(verb, tiles, *words[:-1], *given, *more, wrote=[out], stage=stage)

    def _train(self) -> None:
        self._learn("train", self._taught, "fold0", "train/fold0")

    def _train_many(self) -> None:
        most = self.tiles * TIMES
        self._learn("train", self._taught * TIMES, "fold0", "manytrain", max_tiles_per_slide=most)

    def _compare(self) -> None:
        """Its disk is that of each tile it tests."""
        out = "compare/fold0/linear_probe.parquet"
        self._learn("compare", self._taught, "fold0", "linear_probe", out, strategy="auto")
        number, cost = self.points["compare"].pop()
        tested = max(1.0, self.tiles - self._taught)
        each = bytes_of_rows(self.folder / out) / tested
        self.points["compare"] = [(number, cost), (tested, replace(cost, disk=each))]

    def _train_layers(self) -> None:
        """A few real steps of all layers: one pass over some tiles, and two."""
        strategy = trained_strategy(self.config)
        if strategy is None:
            return
        each = math.ceil(2 * self.config.train.batch_size / len(self.patients))
        for passes in (1, 2):
            out = f"layers{passes}"
            changes = {"strategy": strategy, "epochs": passes, "min_steps": 0, "patience": passes}
            self._learn("layers", 0, "fold0", out, max_tiles_per_slide=each, **changes)
            _, cost = self.points["layers"].pop()
            tiles = passes * tiles_taught(self.folder / out)
            self.points["layers"].append((tiles, cost))

    def _predict(self) -> None:
        tables = [f"few/{name}.parquet" for name in self.patients]
        given = ("--engine", self.config.engine.model_dump_json(), "--threads", 1)
        measure("predict", "train/fold0", *tables, "-o", "predict", *given, folder=self.folder)
        for tiles, table in self._one_and_all():
            words = ("train/fold0", table, "-o", "one.parquet", *given)
            self.do("predict", tiles, *words, wrote=["one.parquet"])
            (self.folder / "one.parquet").unlink()

    def _export(self) -> None:
        to = ("--tiles", "few", "-o", "export/fold0", *self.settings("export"))
        self.do("export", 1, "train/fold0/model.ckpt", *to, wrote=["export/fold0"])

    def _evaluate(self) -> None:
        given, slides = ("--folds", "folds.csv", *self.classes), len(self.patients)
        outs = ("--slides", "aggregate/slides.csv", "--patients", "aggregate/patients.csv")
        settings = self.settings("aggregate")
        self.do("aggregate", slides, "predict", *given, *outs, *settings, wrote=["aggregate"])
        folders = ("--tiles", "few", "--predictions", "predict", "--pictures", "evaluate")
        files = ("--metrics", "evaluate/metrics.csv", "--evaluation", "evaluate/evaluation.json")
        more = ("--aggregate", self.config.aggregate.model_dump_json())
        words = ("cohort.csv", *given, *folders, *files, *more, *self.settings("evaluate"))
        self.do("evaluate", self.tiles, *words, wrote=["evaluate"])

    def _paint(self, name: str, seen: Seen) -> None:
        """Pictures and page of a slide with all its tiles, whose probabilities are made up."""
        tiles, guesses = f"tile/{name}.parquet", f"predict/{name}.parquet"
        write_guesses(self.folder / tiles, self.config.classes, self.folder / guesses)
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
        rows = [p.read_text("utf-8").splitlines()[1] for p in sorted(self.folder.glob("m?.csv"))]
        text = "\n".join(["slide_id,path", *rows])
        (self.folder / "all.csv").write_text(text + "\n", "utf-8")
        words = ("--cohort", "all.csv", "--configuration", self.config.model_dump_json())
        page = ["report/index.html"]
        self.do("report", len(rows), ".", *words, *self.settings("report"), wrote=page)
