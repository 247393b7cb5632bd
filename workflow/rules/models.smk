"""Models: from tables of tiles to trained folds and exported models.

REQUIRED INPUTS
    <results>/tile/{slide_id}.parquet, <results>/triage/slides.csv
OUTPUTS
    <results>/split/folds.csv, <results>/backbone/backbone.onnx, <results>/embed/{slide_id}.h5,
    <results>/embed/{slide_id}.timing.json, <results>/baseline/baseline.h5, <results>/decide/,
    <results>/train/{fold}/, <results>/compare/{fold}/{strategy}.parquet, <results>/verify/,
    <results>/export/{fold}/, <results>/pack/{slide_id}.pack if asked for, <results>/tune/ likewise
STEPS
    split, backbone -> embed -> baseline -> decide -> train -> export
    compare (the other strategies, in every fold) -> verify
    pack (only if asked for) -> train, compare, where these read tiles
    tune (only if asked for: snakemake report_tuning), which changes no setting
"""


rule split:
    """Divide the patients into folds; no patient stands in two."""
    input:
        cohort=COHORT_FILE,
        triage="<results>/triage/slides.csv",
        none=unless_doomed("split"),
    output:
        "<results>/split/folds.csv",
    log:
        "<logs>/split.log",
    localrule: True
    params:
        classes=CLASSES,
        accept=accepted("spelling", "patient"),
        slides=names_digest(),
        settings=settings("split"),
        code=digest("histotile.stages.split"),
    shell:
        "histotile split {input.cohort:q} --triage {input.triage:q} --classes {params.classes:q}"
        " --accept {params.accept:q} --output {output:q} --settings {params.settings:q} > {log:q} 2>&1"


rule backbone:
    """Write the frozen backbone as one file, which jobs run without loading PyTorch."""
    input:
        weights=WEIGHTS,
    output:
        "<results>/backbone/backbone.onnx",
    log:
        "<logs>/backbone.log",
    params:
        backbone=BACKBONE,
        weights=weights_digest,
        tile_px=CONFIG.tile.tile_px,
        code=digest("histotile.stages.backbone"),
    shell:
        "histotile backbone --backbone {params.backbone:q} --tile-px {params.tile_px}"
        " --output {output:q} > {log:q} 2>&1"


for suffix, job, ids in PORTIONS:

    rule:
        """Run the tiles of slides through the frozen backbone and keep the features."""
        name:
            f"embed{suffix}"
        input:
            weights=WEIGHTS,
            slide=slide_path,
            parts=slide_parts,
            tiles=[f"<results>/tile/{i}.parquet" for i in ids],
            network="<results>/backbone/backbone.onnx",
        output:
            features=[f"<results>/embed/{i}.h5" for i in ids],
            timings=[f"<results>/embed/{i}.timing.json" for i in ids],
        log:
            f"<logs>/embed/{job}.log",
        benchmark:
            f"<benchmarks>/embed/{job}.tsv"
        threads: 1
        params:
            slide=slide_option,
            backbone=BACKBONE,
            weights=weights_digest,
            augment=augment_option(),
            engine=FEATURE_ENGINE,
            features=place_of("features"),
            timings=place_of("timings"),
            settings=settings("embed"),
            code=digest("histotile.stages.embed"),
        shell:
            "histotile embed {input.tiles:q} {params.slide:q} --backbone {params.backbone:q}"
            " --network {input.network:q} --engine {params.engine:q} {params.augment:q}"
            " --threads {threads} --output {params.features:q} --timing {params.timings:q}"
            " --settings {params.settings:q} > {log:q} 2>&1"


rule pack:
    """Keep the pixels of the labelled tiles of {wildcards.slide_id} in one file, for training."""
    input:
        slide=slide_path,
        parts=slide_parts,
        tiles="<results>/tile/{slide_id}.parquet",
    output:
        "<results>/pack/{slide_id}.pack",
    log:
        "<logs>/pack/{slide_id}.log",
    benchmark:
        "<benchmarks>/pack/{slide_id}.tsv"
    params:
        slide=slide_option,
        settings=settings("pack"),
        code=digest("histotile.stages.pack"),
    shell:
        "histotile pack {input.tiles:q} {params.slide:q} --output {output:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule baseline:
    """Features of the same network with random weights."""
    input:
        weights=WEIGHTS,
        cohort=COHORT_FILE,
        slides=slide_files,
        folds="<results>/split/folds.csv",
        tiles=expand("<results>/tile/{slide_id}.parquet", slide_id=SLIDE_IDS),
    output:
        "<results>/baseline/baseline.h5",
    log:
        "<logs>/baseline.log",
    benchmark:
        "<benchmarks>/baseline.tsv"
    threads: 2
    params:
        tiles=folder_of("tiles"),
        prefix=prefix_of_all,
        classes=CLASSES,
        backbone=BACKBONE,
        weights=weights_digest,
        settings=settings("baseline"),
        code=digest("histotile.stages.baseline"),
    shell:
        "histotile baseline {input.folds:q} --tiles {params.tiles:q} --cohort {input.cohort:q}"
        " --prefix={params.prefix:q} --classes {params.classes:q}"
        " --backbone {params.backbone:q} --threads {threads} --output {output:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule decide:
    """Choose the strategy of transfer learning from measured data, and say why."""
    input:
        cohort=COHORT_FILE,
        folds="<results>/split/folds.csv",
        baseline="<results>/baseline/baseline.h5",
        tiles=expand("<results>/tile/{slide_id}.parquet", slide_id=SLIDE_IDS),
        inspections=(
            []
            if LISTING
            else expand("<results>/inspect/{slide_id}.json", slide_id=SLIDE_IDS)
        ),
        features=expand("<results>/embed/{slide_id}.h5", slide_id=SLIDE_IDS),
        timings=expand("<results>/embed/{slide_id}.timing.json", slide_id=SLIDE_IDS),
    output:
        decision="<results>/decide/decision.json",
        groups="<results>/decide/groups.csv",
    log:
        "<logs>/decide.log",
    benchmark:
        "<benchmarks>/decide.tsv"
    threads: 1
    params:
        features=folder_of("features"),
        tiles=folder_of("tiles"),
        inspections=lambda wildcards, input: each(
            "--inspections", {str(Path(f).parent) for f in input.inspections}
        ),
        classes=CLASSES,
        train=CONFIG.train.model_dump_json(
            include={
                *(
                    "strategy",
                    "early_probe",
                    "finetune",
                    "retrain",
                    "epochs",
                    "min_steps",
                ),
                *("batch_size", "patience", "max_tiles_per_slide"),
            }
        ),
        settings=settings("decide"),
        code=digest("histotile.stages.decide"),
    shell:
        "histotile decide {input.cohort:q} --folds {input.folds:q} --features {params.features:q}"
        " --baseline {input.baseline:q} --tiles {params.tiles:q}"
        " {params.inspections:q} --classes {params.classes:q}"
        " --train {params.train:q} --output {output.decision:q} --settings {params.settings:q}"
        " > {log:q} 2>&1"


rule report_decision:
    """Explain the decision: its table as a picture, and its page."""
    input:
        "<results>/decide/decision.json",
    output:
        picture=report(
            "<results>/decide/decision.svg",
            caption="../report/decision.rst",
            category="Decision",
            labels={"what": "decision table"},
        ),
        page="<results>/decide/index.html",
    log:
        "<logs>/report_decision.log",
    localrule: True
    params:
        accept=accepted("alarm"),
        code=digest("histotile.stages.report_decision"),
    shell:
        "histotile report-decision {input:q} --picture {output.picture:q} --page {output.page:q}"
        " --accept {params.accept:q} > {log:q} 2>&1"


rule tune:
    """Search better settings on the training patients of the first fold; asked for by name only.

    The journal beside the output is no output: it must outlive a job that is killed.
    """
    input:
        weights=WEIGHTS,
        folds="<results>/split/folds.csv",
        decision="<results>/decide/decision.json",
        tiles=expand("<results>/tile/{slide_id}.parquet", slide_id=SLIDE_IDS),
        cohort=COHORT_FILE,
        slides=slide_files,
        features=expand("<results>/embed/{slide_id}.h5", slide_id=SLIDE_IDS),
        packs=packs_of(CONFIG.train.strategy),
        none=unless_fitted,
    output:
        "<results>/tune/tune.json",
    log:
        "<logs>/tune.log",
    benchmark:
        "<benchmarks>/tune.tsv"
    threads: 2
    params:
        fold=FOLDS[0],
        tiles=folder_of("tiles"),
        prefix=prefix_of_all,
        features=folder_of("features"),
        packs=packs_option,
        backbone=BACKBONE,
        weights=weights_digest,
        classes=TASK,
        accept=accepted("alarm"),
        train=settings("train"),
        split=settings("split"),
        settings=settings("tune"),
        code=digest("histotile.stages.tune"),
    shell:
        "histotile tune {params.fold} --folds {input.folds:q} --decision {input.decision:q}"
        " --tiles {params.tiles:q} --features {params.features:q} {params.packs:q}"
        " --cohort {input.cohort:q} --prefix={params.prefix:q} --classes {params.classes:q}"
        " --backbone {params.backbone:q} --threads {threads} --accept {params.accept:q}"
        " --train {params.train:q} --split {params.split:q} --output {output:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule report_tuning:
    """Show whether other settings are worth it, and what the search for them cost."""
    input:
        "<results>/tune/tune.json",
    output:
        "<results>/tune/index.html",
    log:
        "<logs>/report_tuning.log",
    localrule: True
    params:
        code=digest("histotile.stages.report_tuning"),
    shell:
        "histotile report-tuning {input:q} --output {output:q} > {log:q} 2>&1"


rule train:
    """Train {wildcards.fold} on its training patients; its test patients stay unseen."""
    input:
        weights=WEIGHTS,
        folds="<results>/split/folds.csv",
        decision="<results>/decide/decision.json",
        tiles=expand("<results>/tile/{slide_id}.parquet", slide_id=SLIDE_IDS),
        cohort=COHORT_FILE,
        slides=slide_files,
        features=expand("<results>/embed/{slide_id}.h5", slide_id=SLIDE_IDS),
        packs=packs_of(CONFIG.train.strategy),
    output:
        model="<results>/train/{fold}/model.ckpt",
        network="<results>/train/{fold}/model.onnx",
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
        tiles=folder_of("tiles"),
        prefix=prefix_of_all,
        features=folder_of("features"),
        packs=packs_option,
        folder=subpath(output.model, parent=True),
        backbone=BACKBONE,
        weights=weights_digest,
        classes=TASK,
        accept=accepted("alarm"),
        settings=settings("train"),
        code=digest("histotile.stages.train"),
    shell:
        "histotile train {wildcards.fold} --folds {input.folds:q} --decision {input.decision:q}"
        " --tiles {params.tiles:q} --features {params.features:q} {params.packs:q} --cohort {input.cohort:q} --prefix={params.prefix:q}"
        ""
        " --classes {params.classes:q} --backbone {params.backbone:q} --threads {threads}"
        " --accept {params.accept:q} --output {params.folder:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule compare:
    """Train {wildcards.strategy} on {wildcards.fold} and judge it on the tiles the fold tests."""
    input:
        weights=WEIGHTS,
        folds="<results>/split/folds.csv",
        decision="<results>/decide/decision.json",
        tiles=expand("<results>/tile/{slide_id}.parquet", slide_id=SLIDE_IDS),
        cohort=COHORT_FILE,
        slides=slide_files,
        features=expand("<results>/embed/{slide_id}.h5", slide_id=SLIDE_IDS),
        packs=lambda wildcards: packs_of(wildcards.strategy),
        baseline="<results>/baseline/baseline.h5",
    output:
        "<results>/compare/{fold}/{strategy}.parquet",
    log:
        "<logs>/compare/{fold}/{strategy}.log",
    benchmark:
        "<benchmarks>/compare/{fold}.{strategy}.tsv"
    threads: lambda wildcards: 2 if reads_tiles(wildcards.strategy) else 1
    params:
        tiles=folder_of("tiles"),
        prefix=prefix_of_all,
        features=folder_of("features"),
        packs=packs_option,
        backbone=BACKBONE,
        weights=weights_digest,
        classes=TASK,
        accept=accepted("alarm"),
        settings=CONFIG.train.model_copy(
            update={"strategy": "auto", "tensorboard": False}
        ).model_dump_json(),
        code=digest("histotile.stages.compare"),
    shell:
        "histotile compare {wildcards.fold} {wildcards.strategy} --folds {input.folds:q}"
        " --decision {input.decision:q} --tiles {params.tiles:q} --features {params.features:q}"
        " {params.packs:q} --baseline {input.baseline:q} --cohort {input.cohort:q}"
        " --prefix={params.prefix:q} --classes {params.classes:q} --backbone {params.backbone:q}"
        " --accept {params.accept:q}"
        " --threads {threads} --output {output:q} --settings {params.settings:q} > {log:q} 2>&1"


rule verify:
    """Compare the chosen strategy with the others: regret, interval, verdict."""
    input:
        decision="<results>/decide/decision.json",
        comparisons=expand(
            "<results>/compare/{fold}/{strategy}.parquet",
            fold=FOLDS,
            strategy=COMPARED,
        ),
    output:
        "<results>/verify/verification.json",
    log:
        "<logs>/verify.log",
    localrule: True
    params:
        folder=folder_of("comparisons", 2),
        accept=accepted("alarm"),
        settings=settings("verify"),
        code=digest("histotile.stages.verify"),
    shell:
        "histotile verify {params.folder:q} --decision {input.decision:q} --accept {params.accept:q}"
        " --output {output:q} --settings {params.settings:q} > {log:q} 2>&1"


rule report_verification:
    """Show how the decision fared against the other strategies."""
    input:
        "<results>/verify/verification.json",
    output:
        "<results>/verify/index.html",
    log:
        "<logs>/report_verification.log",
    localrule: True
    params:
        code=digest("histotile.stages.report_verification"),
    shell:
        "histotile report-verification {input:q} --output {output:q} > {log:q} 2>&1"


rule export:
    """Write {wildcards.fold} as files other programs load, and check that they agree."""
    input:
        model="<results>/train/{fold}/model.ckpt",
        tiles=expand("<results>/tile/{slide_id}.parquet", slide_id=SLIDE_IDS),
        cohort=COHORT_FILE,
        slides=slide_files,
    output:
        directory("<results>/export/{fold}"),
    log:
        "<logs>/export/{fold}.log",
    params:
        tiles=folder_of("tiles"),
        prefix=prefix_of_all,
        settings=settings("export"),
        code=digest("histotile.stages.export"),
    shell:
        "histotile export {input.model:q} --tiles {params.tiles:q}"
        " --cohort {input.cohort:q} --prefix={params.prefix:q} --output {output:q} --settings {params.settings:q} > {log:q} 2>&1"
