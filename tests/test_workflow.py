"""The workflow, run for real on a small synthetic cohort."""

import csv
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml

from histotile.data.packs.pack_file import read_pack_index
from histotile.io import tables
from histotile.strategy.record import read_decision

SETTINGS: dict[str, Any] = {
    "results": "results",
    "cohort": "slides.csv",
    "backbone": {"name": "auto", "weights": "shipped:histology"},
    "tile": {"mpp": 0.5, "tile_px": 96, "stride_px": 96},
    "split": {"folds": 2, "val_fraction": 0.25},
    "baseline": {"max_tiles": 64},
    "decide": {"repeats": 1, "bootstraps": 50, "folds": 2},
    "train": {"strategy": "linear_probe", "max_tiles_per_slide": 60},
    "verify": {"budget": "off"},
    "evaluate": {"bootstraps": 200},
    "heatmap": {"overview_px": 512},
    "export": {"formats": ["timm"], "tiles": 8},
}

FEW = [w for s in ("slides=8", "patients=8", "side_px=1024", "sites=2") for w in ("--set", s)]
LIGHTER = {
    **{"orientation": "d4", "resized_crop": "off", "perspective": "off"},
    **{"colour": "off", "stain": "off", "erasing": "off"},
}
HEATMAP_FILES = (".map.png", ".ome.tif", ".colour.ome.tif", ".geojson", ".tiles.geojson.gz", ".csv")


class Project:
    """A folder with a cohort and an overlay of settings, and Snakemake in it."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.folder = folder
        self.repository = repository
        self.write(SETTINGS)

    def write(self, settings: Mapping[str, object]) -> None:
        (self.folder / "overlay.yaml").write_text(yaml.safe_dump(dict(settings)))

    def snakemake(
        self, *arguments: str, profile: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        chosen = ["--workflow-profile", str(self.repository / profile)] if profile else []
        return subprocess.run(
            [
                *("snakemake", *arguments, "--cores", "2", *chosen),
                *("--snakefile", str(self.repository / "Snakefile")),
                *("--configfile", str(self.repository / "config/config.yaml"), "overlay.yaml"),
            ],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def planned(self, *arguments: str) -> dict[str, int]:
        """Rule -> number of jobs that a dry run would start."""
        run = self.snakemake(*arguments, "--dry-run")
        assert run.returncode == 0, run.stdout + run.stderr
        planned = re.findall(r"^(?:local)?rule (\w+):", run.stdout + run.stderr, re.MULTILINE)
        return dict(Counter(planned))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Project:
    """A synthetic cohort of which one slide is cut short."""
    project = Project(tmp_path_factory.mktemp("cohort"), repository)
    made = subprocess.run(
        ["histotile", "synthesize", ".", *FEW],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    cohort = rows(project.folder / "slides.csv")
    broken = project.folder / "cut short.svs"
    broken.write_bytes(Path(project.folder / cohort[0]["path"]).read_bytes()[:2000])
    with (project.folder / "slides.csv").open("a", newline="", encoding="utf-8") as handle:
        extra = {**cohort[0], "slide_id": "broken 😐", "path": broken.name, "annotation": ""}
        csv.DictWriter(handle, fieldnames=list(cohort[0])).writerow(extra)
    return project


@pytest.fixture(scope="module")
def done(fresh: Project) -> Project:
    """The same after the whole workflow."""
    run = fresh.snakemake()
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-6000:]
    return fresh


def test_every_stage_leaves_its_artefacts(done: Project) -> None:
    results = done.folder / "results"
    scores = rows(results / "aggregate/slides.csv")
    assert len(scores) == 8  # the quarantined slide stands in the ledger
    metrics = rows(results / "evaluate/metrics.csv")
    assert {"tile", "slide"} <= {row["level"] for row in metrics}
    assert {"network", "colour"} <= {row["model"] for row in metrics}
    for slide in rows(done.folder / "slides.csv")[:-1]:
        predictions = tables.read_table(results / f"predict/{slide['slide_id']}.parquet")
        assert predictions.num_rows > 0
        probabilities = (
            predictions["prob_tumour"].to_numpy() + predictions["prob_healthy"].to_numpy()
        )
        assert abs(probabilities - 1).max() < 1e-5
        assert (results / f"heatmap/{slide['slide_id']}.png").stat().st_size > 1000
        for ending in HEATMAP_FILES:
            assert (results / f"heatmap/{slide['slide_id']}{ending}").stat().st_size > 0
        assert (results / f"report/slides/{slide['slide_id']}.html").is_file()
    assert json.loads((results / "export/fold0/parity.json").read_text())


def test_the_decision_is_made_explained_and_followed(done: Project) -> None:
    results = done.folder / "results"
    decision = read_decision(results / "decide/decision.json")
    assert decision.forced and decision.strategy == "linear_probe"  # the overlay says so
    assert [fold.fold for fold in decision.folds] == ["fold0", "fold1"]
    assert len(decision.similarity.stages) == 5 and decision.patients == 8
    for place in ("decide/index.html", "decide/decision.svg"):
        assert (results / place).stat().st_size > 2000
    summary = json.loads((results / "train/fold0/summary.json").read_text())
    assert summary["strategy"] == "linear_probe"


def test_a_leak_stops_training_and_says_how_to_go_on(done: Project) -> None:
    path = done.folder / "results/decide/decision.json"
    decision = json.loads(path.read_text())
    leak = {"level": "error", "name": "near_duplicates", "fact": "copies", "remedy": "drop one"}
    (done.folder / "leak.json").write_text(json.dumps(decision | {"alarms": [leak]}))
    places = ("--folds", "results/split/folds.csv", "--tiles", "results/tile")
    run = subprocess.run(
        [
            *("histotile", "--config", "overlay.yaml", "train", "fold0", *places),
            *("--features", "results/embed", "--decision", "leak.json", "-o", "leaking"),
        ],
        cwd=done.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "copies" in run.stderr and "decide.alarms.stop: false" in run.stderr
    assert not (done.folder / "leaking").exists()


def test_a_broken_slide_is_quarantined_with_its_reason_and_the_cohort_goes_on(
    done: Project,
) -> None:
    results = done.folder / "results"
    ledger = {row["slide_id"]: row for row in rows(results / "triage/slides.csv")}
    assert [i for i, row in ledger.items() if row["verdict"] != "ok"] == ["broken 😐"]
    reason = ledger["broken 😐"]["reason"]
    assert reason
    summary = (results / "report/summary.txt").read_text()
    assert "broken 😐" in summary
    assert reason in summary
    assert "broken 😐" in (results / "report/index.html").read_text()
    assert tables.read_table(results / "tile/broken 😐.parquet").num_rows == 0


def test_no_patient_stands_on_both_sides(done: Project) -> None:
    roles: dict[tuple[str, str], set[str]] = {}
    for row in rows(done.folder / "results/split/folds.csv"):
        roles.setdefault((row["fold"], row["patient_id"]), set()).add(row["role"])
    assert all(len(found) == 1 for found in roles.values())


def test_a_second_run_has_nothing_to_do(done: Project) -> None:
    run = done.snakemake()
    assert "Nothing to be done" in run.stdout + run.stderr


def test_a_changed_setting_runs_its_rule_and_those_after_it_again(done: Project) -> None:
    after_training = {
        "predict",
        "aggregate",
        "evaluate",
        "report_figures",
        "heatmap",
        "report_slide",
        "report",
        "all",
    }
    changes: dict[str, tuple[dict[str, Any], set[str]]] = {
        "heatmap": ({"threshold": 0.7}, {"heatmap", "report_slide", "report", "all"}),
        "evaluate": ({"bootstraps": 300}, {"evaluate", "report_figures", "report", "all"}),
        "aggregate": (
            {"method": "mean"},
            {"aggregate", "evaluate", "report_figures", "report_slide", "report", "all"},
        ),
        "report": ({"title": "Another"}, {"report", "all"}),
        "train": ({"augment": LIGHTER}, {"train", "export", *after_training}),
        "engine": (
            {"max_difference": 0.01},
            after_training,
        ),
    }
    try:
        for section, (change, expected) in changes.items():
            done.write({**SETTINGS, section: {**SETTINGS.get(section, {}), **change}})
            assert set(done.planned()) == expected, section
        done.write({**SETTINGS, "aggregate": {"method": "attention"}})
        assert set(done.planned()) == {"learn_slides", *changes["aggregate"][1]}
    finally:
        done.write(SETTINGS)
    assert done.planned() == {}


@pytest.mark.slow
def test_packs_are_made_for_trainings_that_read_tiles_even_of_broken_slides(done: Project) -> None:
    packs = {"use": "always", "quality": 0}
    ids = (rows(done.folder / "slides.csv")[0]["slide_id"], "broken 😐")
    files = [f"results/pack/{name}.pack" for name in ids]
    trained = "results/train/fold0/model.ckpt"
    compared = {
        strategy: f"results/compare/fold0/{strategy}.parquet"
        for strategy in ("linear_probe", "early_probe")
    }
    try:
        done.write({**SETTINGS, "pack": packs})
        assert set(done.planned()) == {"report", "all"}  # `linear_probe` learns from features
        run = done.snakemake(*files)
        assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
        for change, target, made in (
            ({"strategy": "auto"}, trained, 7),
            ({"early_probe": "retrain_tail"}, compared["early_probe"], 7),
            ({"early_probe": "retrain_tail"}, compared["linear_probe"], 0),
        ):
            done.write({**SETTINGS, "pack": packs, "train": {**SETTINGS["train"], **change}})
            assert done.planned(target).get("pack", 0) == made, target
    finally:
        done.write(SETTINGS)
    whole, broken = (read_pack_index(done.folder / file) for file in files)
    assert (whole.facts["read_from"], broken.facts["read_from"]) == ("pack", "slide")
    assert len(whole) > len(broken) == 0


def test_settings_are_searched_only_when_asked_and_change_nothing_else(done: Project) -> None:
    page = "results/tune/index.html"
    assert done.planned() == {}
    refused = done.snakemake("report_tuning", "--dry-run")  # the strategy is a linear probe
    assert refused.returncode != 0
    assert "linear_probe fits its head exactly" in refused.stdout + refused.stderr
    try:
        done.write({**SETTINGS, "tune": {"trials": 5}})
        assert set(done.planned()) == {"report", "all"}  # the page shows all settings
        done.write({**SETTINGS, "train": {**SETTINGS["train"], "strategy": "finetune"}})
        for target in ("report_tuning", page):
            assert done.planned(target) == {"decide": 1, "tune": 1, "report_tuning": 1}
        head = {"decide": {**SETTINGS.get("decide", {}), "similarity": {"head_skill": 0.0}}}
        done.write({**SETTINGS, **head, "train": {**SETTINGS["train"], "strategy": "auto"}})
        told = done.snakemake(page)  # by the decision, which is a probe of few patients
    finally:
        done.write(SETTINGS)
    assert told.returncode != 0
    log = (done.folder / "results/logs/tune.log").read_text()
    assert "fits its head exactly" in log and "Traceback" not in log


def test_one_more_slide_does_not_tile_the_others_again(done: Project) -> None:
    cohort = done.folder / "slides.csv"
    before = cohort.read_text()
    first = rows(cohort)[0]
    try:
        shutil.copy(done.folder / first["path"], done.folder / "one more.tiff")
        row = {**first, "slide_id": "more", "path": "one more.tiff"}
        with cohort.open("a", newline="") as handle:
            csv.DictWriter(handle, fieldnames=list(first)).writerow(row)
        planned = done.planned()
        for rule in ("inspect", "mask", "tile", "embed"):
            assert planned[rule] == 1, rule
        run = done.snakemake("--until", "triage")
        assert run.returncode != 0
        message = run.stdout + run.stderr
        assert first["slide_id"] in message
        assert "more" in message
        assert "duplicate-" in message
    finally:
        cohort.write_text(before)


def test_new_slides_are_predicted_without_training(done: Project) -> None:
    first = rows(done.folder / "slides.csv")[0]
    shutil.copy(done.folder / first["path"], done.folder / "new slide.tiff")
    (done.folder / "new.csv").write_text("slide_id,path\nnew,new slide.tiff\n")
    done.write({**SETTINGS, "apply": {"slides": "new.csv", "model": "results/train"}})
    try:
        planned = done.planned("apply")
        assert set(planned) == {"apply", "apply_slide"}
        run = done.snakemake("apply")
        assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    finally:
        done.write(SETTINGS)
    folder = done.folder / "results/apply"
    assert tables.read_table(folder / "predict/new.parquet").num_rows > 0
    assert "new" in (folder / "report/index.html").read_text()
    assert (folder / "heatmap/new.png").stat().st_size > 1000


@pytest.mark.slow
def test_snakemake_writes_its_own_report_with_captions(done: Project) -> None:
    run = done.snakemake("--report", "provenance.html")
    assert run.returncode == 0, run.stderr
    page = (done.folder / "provenance.html").read_text()
    for caption in (
        "Probability per tile over the slide",
        "each square is a tile's worth of tissue",
        "Precision against recall",
        "How often a held-out probability was right",
        "Held-out scores of slides",
        "Tissue found on the overview",
        "Loss and AUROC by epoch",
        "Where this cohort lies on the table",
    ):
        assert caption in page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("budget", "train", "strategies"),
    [
        ("probe", SETTINGS["train"], {"linear_probe", "early_probe"}),
        (
            "full",
            {"strategy": "auto", "max_tiles_per_slide": 20, "epochs": 1, "min_steps": 4},
            {"linear_probe", "early_probe", "finetune", "retrain"},
        ),
    ],
)
def test_other_strategies_are_trained_and_held_against_the_choice(
    done: Project, budget: str, train: dict[str, Any], strategies: set[str]
) -> None:
    verified, page_of = "results/verify/verification.json", "results/verify/index.html"
    done.write({**SETTINGS, "verify": {"budget": budget}, "train": train})
    try:
        run = done.snakemake(page_of)
        assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
        found = json.loads((done.folder / verified).read_text())
        page = (done.folder / page_of).read_text()
    finally:
        done.write(SETTINGS)
    assert found["budget"] == budget and len(page) > 2000
    assert {one["strategy"] for one in found["strategies"]} == strategies
    baselines = [one["strategy"] for one in found["baselines"]]
    assert baselines == ["colour", "random_weights", "sklearn"]
    assert all(0 <= one["score"]["value"] <= 1 for one in found["strategies"])
    assert found["verdict"] in {"confirmed", "not contradicted", "contradicted"}
    assert found["verdict"] in page


def test_the_cluster_profile_plans_the_same_jobs(fresh: Project) -> None:
    run = fresh.snakemake("--dry-run", profile="profiles/slurm")
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("settings", "facts"),
    [
        ({"tile": {"mppp": 0.5}}, ["unknown key `tile.mppp`", "did you mean `tile.mpp`"]),
        ({"tile": {"mpp": -1}}, ["tile.mpp", "greater than 0"]),
        ({"cohort": "none.csv"}, ["none.csv", "no cohort file"]),
    ],
)
def test_wrong_settings_stop_before_the_first_job(
    fresh: Project, settings: Mapping[str, object], facts: list[str]
) -> None:
    try:
        fresh.write({**SETTINGS, **settings})
        run = fresh.snakemake("--dry-run")
    finally:
        fresh.write(SETTINGS)
    assert run.returncode != 0
    for fact in facts:
        assert fact in run.stdout + run.stderr


def test_ids_that_are_patterns_to_snakemake_are_refused(fresh: Project) -> None:
    first = rows(fresh.folder / "slides.csv")[0]
    (fresh.folder / "odd.csv").write_text(f"slide_id,path\na <b>,{first['path']}\n{{c}},none.svs\n")
    run = fresh.snakemake("--dry-run", "--config", "cohort=odd.csv")
    assert run.returncode != 0
    assert "a <b>, {c}" in run.stdout + run.stderr
    assert "rename these slides" in run.stdout + run.stderr


def test_missing_files_are_named_before_the_first_job(fresh: Project) -> None:
    (fresh.folder / "lost.csv").write_text("slide_id,path\na,lost1.svs\nb,lost2.svs\n")
    run = fresh.snakemake("--dry-run", "--config", "cohort=lost.csv")
    assert run.returncode != 0
    for name in ("lost1.svs", "lost2.svs"):
        assert f"path {name} does not exist" in run.stdout + run.stderr


def test_unknown_mpp_stops_and_names_all_such_slides(fresh: Project, tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    for name in ("a", "b"):
        pixels = noise.integers(0, 255, (512, 512, 3), np.uint8)
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels, photometric="rgb", tile=(256, 256))
    lines = [f"slide {name},{tmp_path}/{name}.tif,healthy" for name in ("a", "b")]
    (fresh.folder / "unscaled.csv").write_text("\n".join(["slide_id,path,label", *lines]) + "\n")
    arguments = ("--config", "cohort=unscaled.csv", f"results={tmp_path}/out", "--until", "triage")
    run = fresh.snakemake(*arguments)
    assert run.returncode != 0
    for fact in ("2 slides without a usable mpp", "slide a", "slide b", "column `mpp`"):
        assert fact in run.stdout + run.stderr
