"""The workflow where jobs share no disk: inputs are staged, outputs stored, no more is seen."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from histotile.io.tables import read_table

SETTINGS: dict[str, Any] = {
    "results": "results",
    "cohort": "slides.csv",
    "backbone": {"name": "auto", "weights": "shipped:histology"},
    "tile": {"mpp": 0.5, "tile_px": 96, "stride_px": 96},
    "split": {"folds": 3, "val_fraction": 0.25},
    "baseline": {"max_tiles": 64},
    "decide": {"repeats": 1, "bootstraps": 50, "folds": 2},
    "train": {"strategy": "linear_probe", "max_tiles_per_slide": 60},
    "verify": {"budget": "off"},
    "evaluate": {"bootstraps": 200},
    "heatmap": {"overview_px": 512},
    "export": {"formats": ["timm"], "tiles": 8},
}
SLIDES = ("slides=6", "patients=6", "side_px=1024", "sites=2")  # the fewest for three folds
UNSHARED = ("--shared-fs-usage", "none", "--default-storage-provider")


def done(folder: Path, *words: str) -> None:
    run = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]


def run_cohort(folder: Path, repository: Path, *words: str) -> None:
    """The whole workflow on six small slides, from the folder."""
    files = [str(repository / "Snakefile"), str(repository / "config/config.yaml")]
    given = ("--snakefile", files[0], "--configfile", files[1], "overlay.yaml")
    done(folder, "snakemake", "--cores", "2", *words, *given)


def set_up(folder: Path) -> Path:
    """A folder of slides with its settings."""
    folder.mkdir()
    (folder / "overlay.yaml").write_text(yaml.safe_dump(SETTINGS))
    done(folder, "histotile", "synthesize", ".", *(w for s in SLIDES for w in ("--set", s)))
    return folder


def check_same(one: Path, other: Path) -> None:
    """Both folders of results hold the same files, tables and metrics."""
    made = {p.relative_to(one) for p in one.rglob("*") if p.is_file()}
    lost = {str(p) for p in made if not (other / p).is_file() and "timestamp" not in p.name}
    assert not lost
    tables = [p for p in made if p.suffix == ".parquet"]
    assert len(tables) == 12
    for place in tables:
        assert read_table(one / place).equals(read_table(other / place)), place
    for name in ("split/folds", "aggregate/slides", "evaluate/metrics", "evaluate/confusion"):
        assert (one / f"{name}.csv").read_bytes() == (other / f"{name}.csv").read_bytes(), name


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A cohort whose jobs shared a disk."""
    folder = set_up(tmp_path_factory.mktemp("disk") / "shared")
    run_cohort(folder, repository)
    return folder


@pytest.mark.slow
def test_without_a_shared_disk_all_files_and_tables_are_the_same(
    shared: Path, tmp_path: Path, repository: Path
) -> None:
    folder = set_up(tmp_path / "unshared")
    run_cohort(folder, repository, *UNSHARED, "fs")
    check_same(shared / "results", folder / "results")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket on an S3 server of this machine."""
    import boto3
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    store = boto3.resource("s3", endpoint_url=f"http://{host}:{port}")
    yield store.create_bucket(Bucket="cohort")
    server.stop()


@pytest.mark.slow
def test_slides_and_results_in_a_bucket_give_the_same_tables(
    shared: Path, tmp_path: Path, repository: Path, bucket: Any
) -> None:
    folder = set_up(tmp_path / "bucket")
    bucket.upload_file(str(folder / "slides.csv"), "slides.csv")  # read here, too, to plan jobs
    for file in (f for name in ("slides", "annotations") for f in (folder / name).iterdir()):
        bucket.upload_file(str(file), str(file.relative_to(folder)))
        file.unlink()
    endpoint = bucket.meta.client.meta.endpoint_url
    keys = ("--storage-s3-access-key", "testing", "--storage-s3-secret-key", "testing")
    where = ("--default-storage-prefix", "s3://cohort/", "--storage-s3-endpoint-url", endpoint)
    run_cohort(folder, repository, *UNSHARED, "s3", *where, *keys)
    found = tmp_path / "found"
    for file in bucket.objects.filter(Prefix="results/"):
        (found / file.key).parent.mkdir(parents=True, exist_ok=True)
        bucket.download_file(file.key, str(found / file.key))
    check_same(shared / "results", found / "results")
