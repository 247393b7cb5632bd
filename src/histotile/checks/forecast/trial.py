"""Every stage on a few tiles of this cohort, in a folder that is thrown away, and what it took."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from histotile.checks.forecast.bench import Points
from histotile.checks.forecast.made_up import (
    Likeness,
    copy_inspections,
    deal_tables,
    part_of_table,
    pseudo_cohort,
    repeat_baseline,
    repeat_tiles,
)
from histotile.checks.forecast.sample import Seen
from histotile.checks.forecast.slide_trial import TILES, SlideTrial
from histotile.checks.forecast.training_cost import (
    bytes_of_rows,
    passes,
    tiles_taught,
    trained_strategy,
)
from histotile.config import Config
from histotile.io.features import read_baseline
from histotile.io.tables import read_table

MEASURED = 3  # slides on which stages of slides are tried
TIMES = 8  # how often tiles are repeated to see how training grows with them
FEWEST, MOST = 4, 8  # patients of each class in the made-up cohort


class Trial(SlideTrial):
    """Stages tried on a few slides, each with the threads of its rule.

    Args:
        folder: An empty folder; results are laid out in it as the workflow lays them out.
        config: The settings.
        seen: The slides tried; each has tiles.
        like: Of the cohort.
        cores: Jobs run side by side, as in the workflow.
    """

    def __init__(
        self, folder: Path, config: Config, seen: Sequence[Seen], like: Likeness, cores: int
    ) -> None:
        super().__init__(folder, config, seen, cores)
        self.like = replace(like, patients=min(MOST, max(FEWEST, like.patients)))
        self.folds = min(config.split.folds, self.like.patients)

    def run(self) -> Points:
        """Stage -> what it took: (number of tiles or slides, cost) from few to many.

        Raises:
            HistotileError: A stage fails.
        """
        with ThreadPoolExecutor(self.cores) as pool:
            try:
                self._all(pool)
            except BaseException:  # a stage fails, or a signal ends the program
                self.running.end()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return self.points

    def _all(self, pool: ThreadPoolExecutor) -> None:
        network = pool.submit(self._network)
        list(pool.map(self._cut, self.names, self.seen))
        network.result()
        self._triage()
        self._pretend()
        list(pool.map(lambda step: step(), (self._features, self._baseline_few)))
        self._decide()
        list(pool.map(lambda step: step(), (self._train, self._train_many, self._compare)))
        self._train_layers()
        self._predict()
        list(pool.map(lambda step: step(), (self._export, self._evaluate)))
        list(pool.map(self._paint, self.names, self.seen))
        self._report()

    def _pretend(self) -> None:
        """A cohort of some patients per class, dealt from tiles of all over the slides.

        Tiles of a stage that reads whole slides lie side by side, and share what is decoded.
        """
        wholes = [self.folder / f"tile/{name}.parquet" for name in self.names]
        parts = [self.folder / f"tile/{name}.part.parquet" for name in self.names]
        cohort = self.folder / "cohort.csv"
        self.patients = pseudo_cohort(self.config.classes, self.like, cohort)
        self.tiles, owners = deal_tables(wholes, self.patients, TILES, self.folder / "few")
        copy_inspections(owners, self.folder / "inspect")
        self._taught = self.tiles * (self.folds - 1) / self.folds
        largest = max(parts, key=lambda part: read_table(part, ["x"]).num_rows)
        self.portions = [
            (part_of_table(largest, share, self.folder / f"{name}.parquet"), f"{name}.parquet")
            for name, share in (("some", 1 / 8), ("all", 1.0))
        ]
        split = self.settings("split", folds=self.folds, test_patients=(), preserve_sites=False)
        words = ("cohort.csv", "-o", "folds.csv", *self.classes, *split)
        rows = len(self.patients) * self.folds
        self.do("split", rows, *words, wrote=["folds.csv"])

    def _features(self) -> None:
        engine = self.config.engine.model_copy(
            update={"precision": "float32", "max_difference": 0.005, "compile": False}
        )
        with_network = ("--network", "backbone.onnx", *self.backbone, "--threads", 1)
        given = (*with_network, "--engine", engine.model_dump_json(), *self.settings("embed"))
        tables = [f"few/{name}.parquet" for name in self.patients]
        self.measured("embed", *tables, "-o", "embed", *given)
        for tiles, table in self.portions:
            self.do("embed", tiles, table, "-o", "one.h5", *given, wrote=["one.h5"])
            (self.folder / "one.h5").unlink()

    def _baseline_few(self) -> None:
        self._baseline(max(64, self.tiles // 4), "few.h5")

    def _baseline(self, tiles: int, out: str) -> None:
        """Its time grows with the passes through a network, its file with the tiles."""
        threads = ("--threads", self.threads("baseline"))
        given = ("--tiles", "few", *self.classes, *self.backbone, *threads)
        settings = self.settings("baseline", max_tiles=tiles)
        self.do("baseline", tiles, "folds.csv", "-o", out, *given, *settings, wrote=[out])
        _, cost = self.points["baseline"].pop()
        found = read_baseline(self.folder / out)
        tiles = len(found.tile_ids)
        self.points["baseline"].append((passes(tiles), cost))
        self.points["baseline tiles"].append((tiles, cost))

    def _decide(self) -> None:
        """On the tiles that were read, and on the same ones many times over."""
        self._baseline(self.tiles, "baseline.h5")
        for name in self.patients:
            repeat_tiles(self.folder, name, TIMES)
        many = repeat_baseline(self.folder, TIMES)
        alarms = self.config.decide.alarms.model_copy(update={"stop": False})
        for tiles, kind in ((many, "many"), (many / TIMES, "")):
            cohort = ("cohort.csv", "--folds", "folds.csv", "--inspections", "inspect")
            words = (*cohort, "--features", f"{kind}embed")
            given = ("--baseline", f"{kind}baseline.h5", "--tiles", kind or "few", *self.classes)
            outs = ("-o", "decide/decision.json", "--train", self.config.train.model_dump_json())
            settings = self.settings("decide", alarms=alarms)
            self.do("decide", tiles, *words, *given, *outs, *settings)
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
        each = math.ceil(2 * self.config.train.at_once / len(self.patients))
        for times in (1, 2):
            out = f"layers{times}"
            changes = {"strategy": strategy, "epochs": times, "min_steps": 0}
            self._learn("layers", 0, "fold0", out, max_tiles_per_slide=each, **changes)
            _, cost = self.points["layers"].pop()
            tiles = times * tiles_taught(self.folder / out)
            self.points["layers"].append((tiles, cost))

    def _predict(self) -> None:
        tables = [f"few/{name}.parquet" for name in self.patients]
        given = ("--engine", self.config.engine.model_dump_json(), "--threads", 1)
        self.measured("predict", "train/fold0", *tables, "-o", "predict", *given)
        for tiles, table in self.portions:
            words = ("train/fold0", table, "-o", "one.parquet", *given)
            self.do("predict", tiles, *words, wrote=["one.parquet"])
            (self.folder / "one.parquet").unlink()

    def _export(self) -> None:
        to = ("--tiles", "few", "-o", "export/fold0", *self.settings("export"))
        self.do("export", 1, "train/fold0/model.ckpt", *to, wrote=["export/fold0"])

    def _evaluate(self) -> None:
        given, slides = ("--folds", "folds.csv", *self.classes), len(self.patients)
        outs = ("--slides", "aggregate/slides.csv", "--patients", "aggregate/patients.csv")
        pooled = {"method": "mean"} if self.config.aggregate.is_learnt else {}
        settings = self.settings("aggregate", **pooled)
        self.do("aggregate", slides, "predict", *given, *outs, *settings, wrote=["aggregate"])
        files = ["--tiles", "few", "--predictions", "predict"]
        kinds = {"metrics": "csv", "confusion": "csv", "evaluation": "json", "figures": "json"}
        for name, kind in kinds.items():
            files += [f"--{name}", f"evaluate/{name}.{kind}"]
        aggregate = self.config.aggregate.model_copy(update=pooled)
        more = ("--aggregate", aggregate.model_dump_json())
        words = ("cohort.csv", *given, *files, *more, *self.settings("evaluate"))
        self.do("evaluate", self.tiles, *words, wrote=["evaluate"])
