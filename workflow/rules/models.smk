"""Models: from tables of tiles to trained folds and exported models.

REQUIRED INPUTS
    <results>/tile/{slide_id}.parquet, <results>/triage/slides.csv
OUTPUTS
    <results>/split/folds.csv, <results>/backbone/backbone.onnx, <results>/embed/{slide_id}.h5,
    <results>/embed/{slide_id}.timing.json, <results>/baseline/baseline.h5, <results>/decide/,
    <results>/train/{fold}/, <results>/compare/{fold}/{strategy}.parquet, <results>/verify/,
    <results>/export/{fold}/, <results>/pack/{slide_id}.pack if asked for
STEPS
    split, backbone -> embed -> baseline -> decide -> train -> export
    compare (the other strategies, in every fold) -> verify
    pack (only if asked for) -> train, compare, where these read tiles
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
        code=digest("histotile.cli.models:split"),
    shell:
        "histotile split {input.cohort:q} --triage {input.triage:q} --classes {params.classes:q}"
        " --accept {params.accept:q} --output {output:q} --settings {params.settings:q} > {log:q} 2>&1"


rule backbone:
    """Write the frozen backbone as one file, which jobs run without loading PyTorch."""
    output:
        "<results>/backbone/backbone.onnx",
    log:
        "<logs>/backbone.log",
    params:
        backbone=BACKBONE,
        weights=WEIGHTS,
        tile_px=CONFIG.tile.tile_px,
        code=digest("histotile.cli.inference:backbone"),
    shell:
        "histotile backbone --backbone {params.backbone:q} --tile-px {params.tile_px}"
        " --output {output:q} > {log:q} 2>&1"


rule embed:
    """Run the tiles of {wildcards.slide_id} through the frozen backbone and keep the features."""
    input:
        slide=slide_path,
        tiles="<results>/tile/{slide_id}.parquet",
        network="<results>/backbone/backbone.onnx",
    output:
        features="<results>/embed/{slide_id}.h5",
        timing="<results>/embed/{slide_id}.timing.json",
    log:
        "<logs>/embed/{slide_id}.log",
    benchmark:
        "<benchmarks>/embed/{slide_id}.tsv"
    threads: 1
    params:
        backbone=BACKBONE,
        weights=WEIGHTS,
        augment=augment_option(),
        engine=FEATURE_ENGINE,
        settings=settings("embed"),
        code=digest("histotile.cli.inference:embed", without=PAGES),
    shell:
        "histotile embed {input.tiles:q} --backbone {params.backbone:q}"
        " --network {input.network:q} --engine {params.engine:q} {params.augment:q}"
        " --threads {threads} --output {output.features:q} --timing {output.timing:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule pack:
    """Keep the pixels of the labelled tiles of {wildcards.slide_id} in one file, for training."""
    input:
        slide=slide_path,
        tiles="<results>/tile/{slide_id}.parquet",
    output:
        "<results>/pack/{slide_id}.pack",
    log:
        "<logs>/pack/{slide_id}.log",
    benchmark:
        "<benchmarks>/pack/{slide_id}.tsv"
    params:
        settings=settings("pack"),
        code=digest("histotile.cli.packing:pack"),
    shell:
        "histotile pack {input.tiles:q} --output {output:q} --settings {params.settings:q}"
        " > {log:q} 2>&1"


rule baseline:
    """Features of the same network with random weights."""
    input:
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
        tiles=folder("tile"),
        classes=CLASSES,
        backbone=BACKBONE,
        weights=WEIGHTS,
        settings=settings("baseline"),
        code=digest("histotile.cli.decisions:baseline"),
    shell:
        "histotile baseline {input.folds:q} --tiles {params.tiles:q} --classes {params.classes:q}"
        " --backbone {params.backbone:q} --threads {threads} --output {output:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule decide:
    """Choose the strategy of transfer learning from measured data, and say why."""
    input:
        cohort=COHORT_FILE,
        folds="<results>/split/folds.csv",
        baseline="<results>/baseline/baseline.h5",
        features=expand("<results>/embed/{slide_id}.h5", slide_id=SLIDE_IDS),
    output:
        decision="<results>/decide/decision.json",
        picture=report(
            "<results>/decide/decision.svg",
            caption="../report/decision.rst",
            category="Decision",
            labels={"what": "decision table"},
        ),
        page="<results>/decide/index.html",
    log:
        "<logs>/decide.log",
    benchmark:
        "<benchmarks>/decide.tsv"
    threads: 1
    params:
        features=folder("embed"),
        tiles=folder("tile"),
        inspections=folder("inspect"),
        classes=CLASSES,
        train=CONFIG.train.model_dump_json(
            include={"strategy", "early_probe", "finetune", "retrain"}
        ),
        settings=settings("decide"),
        code=digest("histotile.cli.decisions:decide", without=PAGES),
    shell:
        "histotile decide {input.cohort:q} --folds {input.folds:q} --features {params.features:q}"
        " --baseline {input.baseline:q} --tiles {params.tiles:q}"
        " --inspections {params.inspections:q} --classes {params.classes:q}"
        " --train {params.train:q} --output {output.decision:q} --picture {output.picture:q}"
        " --page {output.page:q} --settings {params.settings:q} > {log:q} 2>&1"


rule train:
    """Train {wildcards.fold} on its training patients; its test patients stay unseen."""
    input:
        folds="<results>/split/folds.csv",
        decision="<results>/decide/decision.json",
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
        tiles=folder("tile"),
        features=folder("embed"),
        packs=packs_option(CONFIG.train.strategy),
        folder=subpath(output.model, parent=True),
        backbone=BACKBONE,
        weights=WEIGHTS,
        classes=CLASSES,
        accept=accepted("alarm"),
        settings=settings("train"),
        code=digest("histotile.cli.models:train"),
    shell:
        "histotile train {wildcards.fold} --folds {input.folds:q} --decision {input.decision:q}"
        " --tiles {params.tiles:q} --features {params.features:q} {params.packs:q}"
        " --classes {params.classes:q} --backbone {params.backbone:q} --threads {threads}"
        " --accept {params.accept:q} --output {params.folder:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule compare:
    """Train {wildcards.strategy} on {wildcards.fold} and judge it on the tiles the fold tests."""
    input:
        folds="<results>/split/folds.csv",
        decision="<results>/decide/decision.json",
        features=expand("<results>/embed/{slide_id}.h5", slide_id=SLIDE_IDS),
        packs=lambda wildcards: packs_of(wildcards.strategy),
    output:
        "<results>/compare/{fold}/{strategy}.parquet",
    log:
        "<logs>/compare/{fold}/{strategy}.log",
    benchmark:
        "<benchmarks>/compare/{fold}.{strategy}.tsv"
    threads: lambda wildcards: 1 if wildcards.strategy in CACHED else 2
    params:
        tiles=folder("tile"),
        features=folder("embed"),
        packs=lambda wildcards: packs_option(wildcards.strategy),
        backbone=BACKBONE,
        weights=WEIGHTS,
        classes=CLASSES,
        settings=CONFIG.train.model_copy(
            update={"strategy": "auto", "tensorboard": False}
        ).model_dump_json(),
        code=digest("histotile.cli.decisions:compare"),
    shell:
        "histotile compare {wildcards.fold} {wildcards.strategy} --folds {input.folds:q}"
        " --decision {input.decision:q} --tiles {params.tiles:q} --features {params.features:q}"
        " {params.packs:q} --classes {params.classes:q} --backbone {params.backbone:q}"
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
        verification="<results>/verify/verification.json",
        page="<results>/verify/index.html",
    log:
        "<logs>/verify.log",
    localrule: True
    params:
        folder=folder("compare"),
        settings=settings("verify"),
        code=digest("histotile.cli.decisions:verify"),
    shell:
        "histotile verify {params.folder:q} --decision {input.decision:q}"
        " --output {output.verification:q} --page {output.page:q}"
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
        code=digest("histotile.cli.models:export"),
    shell:
        "histotile export {input.model:q} --tiles {params.tiles:q}"
        " --output {params.folder:q} --settings {params.settings:q} > {log:q} 2>&1"
