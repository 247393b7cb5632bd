"""Models: from tables of tiles to trained folds and exported models.

REQUIRED INPUTS
    <results>/tile/{slide_id}.parquet, <results>/triage/slides.csv
OUTPUTS
    <results>/split/folds.csv, <results>/embed/{slide_id}.h5,
    <results>/train/{fold}/, <results>/export/{fold}/
STEPS
    split -> embed (only where features are kept fixed) -> train -> export
"""


rule split:
    """Divide the patients into folds; no patient stands in two."""
    input:
        cohort=COHORT_FILE,
        triage="<results>/triage/slides.csv",
    output:
        "<results>/split/folds.csv",
    log:
        "<logs>/split.log",
    localrule: True
    params:
        classes=CLASSES,
        settings=settings("split"),
        code=digest("histotile.tiles.splits"),
    shell:
        "histotile split {input.cohort:q} --triage {input.triage:q} --classes {params.classes:q}"
        " --output {output:q} --settings {params.settings:q} > {log:q} 2>&1"


rule embed:
    """Run the tiles of {wildcards.slide_id} through the frozen backbone and keep the features."""
    input:
        slide=slide_path,
        tiles="<results>/tile/{slide_id}.parquet",
    output:
        "<results>/embed/{slide_id}.h5",
    log:
        "<logs>/embed/{slide_id}.log",
    benchmark:
        "<benchmarks>/embed/{slide_id}.tsv"
    threads: 1
    params:
        backbone=BACKBONE,
        weights=WEIGHTS,
        code=digest("histotile.models.embedding"),
    shell:
        "histotile embed {input.tiles:q} --backbone {params.backbone:q}"
        " --threads {threads} --output {output:q} > {log:q} 2>&1"


rule train:
    """Train {wildcards.fold} on its training patients; its test patients stay unseen."""
    input:
        folds="<results>/split/folds.csv",
        # Features come after tiles: one of both is enough for the order.
        tiles=expand(
            (
                "<results>/embed/{slide_id}.h5"
                if CONFIG.train.strategy == "fixed"
                else "<results>/tile/{slide_id}.parquet"
            ),
            slide_id=SLIDE_IDS,
        ),
    output:
        model="<results>/train/{fold}/model.ckpt",
        curves=report(
            "<results>/train/{fold}/curves.svg",
            caption="../report/curves.rst",
            category="Training",
            labels={"fold": "{fold}"},
        ),
        table="<results>/train/{fold}/curves.csv",
        summary="<results>/train/{fold}/summary.json",
    log:
        "<logs>/train/{fold}.log",
    benchmark:
        "<benchmarks>/train/{fold}.tsv"
    threads: 2
    params:
        tiles=folder("tile"),
        features=folder("embed"),
        folder=subpath(output.model, parent=True),
        backbone=BACKBONE,
        weights=WEIGHTS,
        classes=CLASSES,
        settings=settings("train"),
        code=digest("histotile.models.training"),
    shell:
        "histotile train {wildcards.fold} --folds {input.folds:q}"
        " --tiles {params.tiles:q} --features {params.features:q} --classes {params.classes:q}"
        " --backbone {params.backbone:q} --threads {threads} --output {params.folder:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule export:
    """Write {wildcards.fold} as files other programs load, and check that they agree."""
    input:
        model="<results>/train/{fold}/model.ckpt",
        folds="<results>/split/folds.csv",
    output:
        "<results>/export/{fold}/parity.json",
    log:
        "<logs>/export/{fold}.log",
    params:
        tiles=folder("tile"),
        folder=subpath(output[0], parent=True),
        settings=settings("export"),
        code=digest("histotile.exports.formats"),
    shell:
        "histotile export {input.model:q} --tiles {params.tiles:q}"
        " --output {params.folder:q} --settings {params.settings:q} > {log:q} 2>&1"
