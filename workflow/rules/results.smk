"""Results: from trained folds to scores, heatmaps and pages.

REQUIRED INPUTS
    <results>/train/{fold}/model.ckpt, <results>/tile/{slide_id}.parquet, <results>/split/folds.csv
OUTPUTS
    <results>/predict/{slide_id}.parquet, <results>/predict/{slide_id}.timing.json,
    <results>/aggregate/, <results>/evaluate/, <results>/heatmap/{slide_id}.png,
    <results>/report/, <results>/apply/
STEPS
    predict -> aggregate -> evaluate; predict -> heatmap; all -> report
    apply: new slides straight to their pages
"""

for suffix, job, ids in PORTIONS:

    rule:
        """Predict slides with the folds that never saw their patients."""
        name:
            f"predict{suffix}"
        input:
            slide=slide_path,
            parts=slide_parts,
            tiles=[f"<results>/tile/{i}.parquet" for i in ids],
            folds="<results>/split/folds.csv",
            models=expand(
                "<results>/train/{fold}/{file}",
                fold=FOLDS,
                file=["model.ckpt", "model.onnx"],
            ),
        output:
            predictions=[f"<results>/predict/{i}.parquet" for i in ids],
            timings=[f"<results>/predict/{i}.timing.json" for i in ids],
        log:
            f"<logs>/predict/{job}.log",
        benchmark:
            f"<benchmarks>/predict/{job}.tsv"
        threads: 1
        params:
            models=folder_of("models", 2),
            slide=slide_option,
            engine=ENGINE,
            predictions=place_of("predictions"),
            timings=place_of("timings"),
            code=digest("histotile.stages.predict"),
        shell:
            "histotile predict {params.models:q} {input.tiles:q} {params.slide:q}"
            " --folds {input.folds:q} --engine {params.engine:q} --threads {threads}"
            " --output {params.predictions:q} --timing {params.timings:q} > {log:q} 2>&1"


if CONFIG.aggregate.is_learnt:

    rule learn_slides:
        """Learn slides of the features or held-out predictions of their tiles, fold by fold."""
        input:
            folds="<results>/split/folds.csv",
            features=expand("<results>/embed/{slide_id}.h5", slide_id=OF_FEATURES),
            predictions=expand(
                "<results>/predict/{slide_id}.parquet", slide_id=OF_PREDICTIONS
            ),
        output:
            scores="<results>/learn_slides/scores.csv",
            learning="<results>/learn_slides/learning.json",
            attention=directory("<results>/learn_slides/attention"),
        log:
            "<logs>/learn_slides.log",
        benchmark:
            "<benchmarks>/learn_slides.tsv"
        threads: 2
        params:
            features=folder_option("features"),
            predictions=folder_option("predictions"),
            folder=subpath(output.scores, parent=True),
            classes=TASK,
            aggregate=CONFIG.aggregate.model_copy(
                update={"calls": "highest", "bootstraps": 0}
            ).model_dump_json(),
            settings=settings("learn_slides"),
            code=digest("histotile.stages.learn_slides"),
        shell:
            "histotile learn-slides {input.folds:q} {params.features:q} {params.predictions:q}"
            " --aggregate {params.aggregate:q} --classes {params.classes:q} --threads {threads}"
            " --output {params.folder:q} --settings {params.settings:q} > {log:q} 2>&1"


rule aggregate:
    """Turn tile probabilities into a score per slide and per patient."""
    input:
        folds="<results>/split/folds.csv",
        predictions=expand("<results>/predict/{slide_id}.parquet", slide_id=SLIDE_IDS),
        learnt=LEARNT,
    output:
        slides="<results>/aggregate/slides.csv",
        patients="<results>/aggregate/patients.csv",
    log:
        "<logs>/aggregate.log",
    localrule: True
    params:
        folder=folder_of("predictions"),
        learnt=lambda wildcards, input: each("--learnt", as_list(input.learnt)),
        classes=CLASSES,
        settings=settings("aggregate"),
        code=digest("histotile.stages.aggregate"),
    shell:
        "histotile aggregate {params.folder:q} --folds {input.folds:q} {params.learnt:q}"
        " --classes {params.classes:q}"
        " --slides {output.slides:q} --patients {output.patients:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule evaluate:
    """Measure held-out predictions, with intervals, beside a baseline that sees only colour."""
    input:
        cohort=COHORT_FILE,
        folds="<results>/split/folds.csv",
        predictions=expand("<results>/predict/{slide_id}.parquet", slide_id=SLIDE_IDS),
        tiles=expand("<results>/tile/{slide_id}.parquet", slide_id=SLIDE_IDS),
        scores="<results>/aggregate/slides.csv",
        learnt=LEARNT,
        attention=LOOKED,
    output:
        metrics=report(
            "<results>/evaluate/metrics.csv",
            caption="../report/metrics.rst",
            category="Results",
            labels={"what": "metrics"},
        ),
        confusion="<results>/evaluate/confusion.csv",
        evaluation="<results>/evaluate/evaluation.json",
        figures="<results>/evaluate/figures.json",
    log:
        "<logs>/evaluate.log",
    params:
        tiles=folder_of("tiles"),
        predictions=folder_of("predictions"),
        learnt=lambda wildcards, input: each("--learnt", as_list(input.learnt))
        + each("--attention", as_list(input.attention)),
        classes=CLASSES,
        aggregate=settings("aggregate"),
        settings=settings("evaluate"),
        code=digest("histotile.stages.evaluate"),
    shell:
        "histotile evaluate {input.cohort:q} --folds {input.folds:q} --tiles {params.tiles:q}"
        " --predictions {params.predictions:q} {params.learnt:q} --classes {params.classes:q}"
        " --aggregate {params.aggregate:q} --metrics {output.metrics:q}"
        " --confusion {output.confusion:q} --evaluation {output.evaluation:q}"
        " --figures {output.figures:q} --settings {params.settings:q} > {log:q} 2>&1"


rule report_figures:
    """Draw the figures of the evaluation."""
    input:
        evaluation="<results>/evaluate/evaluation.json",
        figures="<results>/evaluate/figures.json",
    output:
        roc=report(
            "<results>/evaluate/roc.svg",
            caption="../report/roc.rst",
            category="Results",
            labels={"what": "ROC"},
        ),
        pr=report(
            "<results>/evaluate/pr.svg",
            caption="../report/pr.rst",
            category="Results",
            labels={"what": "precision and recall"},
        ),
        reliability=report(
            "<results>/evaluate/reliability.svg",
            caption="../report/reliability.rst",
            category="Results",
            labels={"what": "reliability"},
        ),
        scores=report(
            "<results>/evaluate/scores.svg",
            caption="../report/scores.rst",
            category="Results",
            labels={"what": "scores by label"},
        ),
    log:
        "<logs>/report_figures.log",
    localrule: True
    params:
        folder=subpath(output.roc, parent=True),
        code=digest("histotile.stages.report_figures"),
    shell:
        "histotile report-figures {input.evaluation:q} {input.figures:q} --output {params.folder:q}"
        " > {log:q} 2>&1"


rule heatmap:
    """Paint the probabilities of {wildcards.slide_id}, and write them for QuPath and viewers."""
    input:
        slide=slide_path,
        parts=slide_parts,
        tiles="<results>/tile/{slide_id}.parquet",
        predictions="<results>/predict/{slide_id}.parquet",
    output:
        overlay=report(
            "<results>/heatmap/{slide_id}.png",
            caption="../report/heatmap.rst",
            category="Heatmaps",
            labels={"slide": "{slide_id}", "shows": "over the slide"},
        ),
        map=report(
            "<results>/heatmap/{slide_id}.map.png",
            caption="../report/map.rst",
            category="Heatmaps",
            labels={"slide": "{slide_id}", "shows": "alone"},
        ),
        others=multiext(
            "<results>/heatmap/{slide_id}",
            ".ome.tif",
            ".colour.ome.tif",
            ".geojson",
            ".tiles.geojson.gz",
            ".csv",
        ),
    log:
        "<logs>/heatmap/{slide_id}.log",
    benchmark:
        "<benchmarks>/heatmap/{slide_id}.tsv"
    params:
        slide=slide_option,
        settings=settings("heatmap"),
        code=digest("histotile.stages.heatmap"),
    shell:
        "histotile heatmap {input.tiles:q} {input.predictions:q} {params.slide:q} --output {output.overlay:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule report_slide:
    """Write the page of {wildcards.slide_id}."""
    input:
        cohort=COHORT_FILE,
        slide=slide_path,
        parts=slide_parts,
        tiles="<results>/tile/{slide_id}.parquet",
        annotations=annotation_paths,
        inspection="<results>/inspect/{slide_id}.json",
        triage="<results>/triage/slides.csv",
        folds="<results>/split/folds.csv",
        decision="<results>/decide/decision.json",
        mask="<results>/mask/{slide_id}.png",
        overlay="<results>/mask/{slide_id}.overlay.jpg",
        predictions="<results>/predict/{slide_id}.parquet",
        timings=[
            "<results>/embed/{slide_id}.timing.json",
            "<results>/predict/{slide_id}.timing.json",
        ],
        scores="<results>/aggregate/slides.csv",
        heatmap="<results>/heatmap/{slide_id}.png",
        attention=LOOKED,
    output:
        **PICTURES,
        page="<results>/report/slides/{slide_id}.html",
        thumbnail="<results>/report/slides/{slide_id}.jpg",
    log:
        "<logs>/report/{slide_id}.log",
    benchmark:
        "<benchmarks>/report/{slide_id}.tsv"
    params:
        results=subpath(output[0], ancestor=3),
        prefix=prefix_of_one,
        configuration=plain(CONFIG.model_dump_json(include=SHOWN_ON_SLIDES)),
        settings=plain(UNTITLED.model_dump_json()),
        code=digest("histotile.stages.report_slide"),
    shell:
        "histotile report-slide --cohort {input.cohort:q} --prefix={params.prefix:q}"
        " --configuration {params.configuration:q}"
        " --settings {params.settings:q} -- {params.results:q} {wildcards.slide_id:q} > {log:q} 2>&1"


rule report:
    """Write the page of the cohort, the model card and the reporting checklist."""
    input:
        cohort=COHORT_FILE,
        triage="<results>/triage/slides.csv",
        folds="<results>/split/folds.csv",
        inspections=expand("<results>/inspect/{slide_id}.json", slide_id=PICTURED),
        thumbnails=expand("<results>/report/slides/{slide_id}.jpg", slide_id=PICTURED),
        tiles=expand("<results>/tile/{slide_id}.parquet", slide_id=SLIDE_IDS),
        predictions=expand("<results>/predict/{slide_id}.parquet", slide_id=SLIDE_IDS),
        timings=expand(
            "<results>/{stage}/{slide_id}.timing.json",
            stage=["embed", "predict"],
            slide_id=SLIDE_IDS,
        ),
        pages=expand("<results>/report/slides/{slide_id}.html", slide_id=PICTURED),
        scores="<results>/aggregate/slides.csv",
        evaluation="<results>/evaluate/evaluation.json",
        pictures=expand(
            "<results>/evaluate/{name}.svg",
            name=["roc", "pr", "reliability", "scores"],
        ),
        training=expand(
            "<results>/train/{fold}/{file}",
            fold=FOLDS,
            file=["summary.json", "curves.svg"],
        ),
        decision="<results>/decide/decision.json",
        verification="<results>/verify/verification.json" if COMPARED else [],
        learning=LEARNING,
    output:
        "<results>/report/index.html",
        "<results>/report/model_card.html",
        "<results>/report/reporting_checklist.html",
        "<results>/report/summary.txt",
    log:
        "<logs>/report.log",
    params:
        results=subpath(output[0], ancestor=2),
        configuration=plain(CONFIG.model_dump_json()),
        settings=settings("report"),
        code=digest("histotile.stages.report"),
    shell:
        "histotile report {params.results:q} --cohort {input.cohort:q}"
        " --configuration {params.configuration:q} --settings {params.settings:q} > {log:q} 2>&1"


onsuccess:
    is_apply = "apply" in workflow.dag_settings.targets
    folder = Path(CONFIG.results) / ("apply" if is_apply else "")
    summary = folder / "report" / "summary.txt"
    if summary.is_file():
        print(f"\n{summary.read_text(encoding='utf-8')}", flush=True)
    if (
        is_apply
        and summary.is_file()
        and left_out(folder / "aggregate" / "slides.csv")
    ):
        raise SystemExit(3)  # as `histotile apply` ends for a slide without a score


rule apply_slide:
    """Mask, tile, predict and paint the new slide {wildcards.new_id} with a trained model."""
    input:
        slide=lambda wildcards: str(new_cohort()[wildcards.new_id].path),
        parts=lambda wildcards: parts_of(new_cohort()[wildcards.new_id].path),
        model=lambda wildcards: model_files(),
    output:
        **APPLIED_PICTURES,
        inspection="<results>/apply/inspect/{new_id}.json",
        mask="<results>/apply/mask/{new_id}.png",
        overlay="<results>/apply/mask/{new_id}.overlay.jpg",
        tiles="<results>/apply/tile/{new_id}.parquet",
        prediction="<results>/apply/predict/{new_id}.parquet",
        timing="<results>/apply/predict/{new_id}.timing.json",
        heatmap=multiext(
            "<results>/apply/heatmap/{new_id}",
            ".png",
            ".map.png",
            ".ome.tif",
            ".colour.ome.tif",
            ".geojson",
            ".tiles.geojson.gz",
            ".csv",
        ),
        page="<results>/apply/report/slides/{new_id}.html",
        thumbnail="<results>/apply/report/slides/{new_id}.jpg",
    log:
        "<logs>/apply/{new_id}.log",
    benchmark:
        "<benchmarks>/apply/{new_id}.tsv"
    threads: 1
    params:
        model=model_place,
        model_id=lambda wildcards: model_digest(),
        folder=subpath(output[0], ancestor=2),
        mpp=lambda wildcards: mpp_option(new_cohort()[wildcards.new_id]),
        configuration=plain(
            CONFIG.model_copy(update={"report": UNTITLED}).model_dump_json(
                include=APPLIED
            )
        ),
        code=digest("histotile.stages.apply"),
    shell:
        "histotile apply {params.model:q} {input.slide:q} {params.folder:q} {params.mpp}"
        " --slide-id {wildcards.new_id:q} --of-cohort --threads {threads}"
        " --configuration {params.configuration:q} > {log:q} 2>&1"


rule apply:
    """Scores and pages of a cohort of new slides (section `apply`); nothing is trained."""
    input:
        cohort=CONFIG.apply.slides,
        predictions=applied("predict/{new_id}.parquet"),
        timings=applied("predict/{new_id}.timing.json"),
        inspections=applied("inspect/{new_id}.json"),
        tiles=applied("tile/{new_id}.parquet"),
        pages=applied("report/slides/{new_id}.html"),
        thumbnails=applied("report/slides/{new_id}.jpg"),
    output:
        "<results>/apply/report/index.html",
        "<results>/apply/report/summary.txt",
        scores="<results>/apply/aggregate/slides.csv",
    log:
        "<logs>/apply.log",
    params:
        folder=subpath(output[0], ancestor=2),
        configuration=plain(CONFIG.model_dump_json()),
        aggregate=settings("aggregate"),
        settings=settings("report"),
        code=digest("histotile.stages.aggregate", "histotile.stages.report"),
    shell:
        "( histotile aggregate {params.folder:q}/predict --cohort {input.cohort:q}"
        " --slides {output.scores:q} --settings {params.aggregate:q} &&"
        " histotile report {params.folder:q} --cohort {input.cohort:q}"
        " --configuration {params.configuration:q} --settings {params.settings:q} ) > {log:q} 2>&1"
