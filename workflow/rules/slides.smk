"""Slides: from files to tables of tiles.

REQUIRED INPUTS
    the cohort file and the slides it names; annotation files where it names them;
    or a folder or CSV of labelled tile images, whose groups stand where slides stand
OUTPUTS
    <results>/inspect/{slide_id}.json, <results>/triage/slides.csv,
    <results>/mask/{slide_id}.png, <results>/tile/{slide_id}.parquet
STEPS
    inspect -> triage (whole cohort) -> mask -> tile
    ready-made tiles: tile_images -> triage (whole cohort); collect lists the groups
"""


rule inspect:
    """Open {wildcards.slide_id} at every level; find its scale, and whether it can be used."""
    input:
        slide=slide_path,
        parts=slide_parts,
    output:
        "<results>/inspect/{slide_id}.json",
    log:
        "<logs>/inspect/{slide_id}.log",
    benchmark:
        "<benchmarks>/inspect/{slide_id}.tsv"
    params:
        settings=settings("inspect"),
        accept=accepted("scale", "level", "colour", "orientation"),
        mpp=lambda wildcards: mpp_option(COHORT[wildcards.slide_id]),
        code=digest("histotile.stages.inspect"),
    shell:
        "histotile inspect {input.slide:q} --output {output:q} --slide-id {wildcards.slide_id:q}"
        " {params.mpp} --accept {params.accept:q} --settings {params.settings:q} > {log:q} 2>&1"


rule triage:
    """Set unusable slides aside with a reason; stop on unknown mpp and on slides listed twice."""
    input:
        found=expand(
            (
                "<results>/tile/{slide_id}.parquet"
                if LISTING
                else "<results>/inspect/{slide_id}.json"
            ),
            slide_id=SLIDE_IDS,
        ),
        cohort=COHORT_FILE,
    output:
        "<results>/triage/slides.csv",
    log:
        "<logs>/triage.log",
    localrule: True
    params:
        folder=folder_of("found"),
        accepted=accepted("duplicate"),
        settings=settings("inspect"),
        code=digest("histotile.stages.triage"),
    shell:
        "histotile triage {params.folder:q} --cohort {input.cohort:q} --output {output:q}"
        " --accept {params.accepted:q} --settings {params.settings:q} > {log:q} 2>&1"


rule mask:
    """Find the tissue of {wildcards.slide_id}."""
    input:
        slide=slide_path,
        parts=slide_parts,
        inspection="<results>/inspect/{slide_id}.json",
        triage=ancient("<results>/triage/slides.csv"),
    output:
        mask="<results>/mask/{slide_id}.png",
        overlay=report(
            "<results>/mask/{slide_id}.overlay.jpg",
            caption="../report/mask.rst",
            category="Tissue masks",
            labels={"slide": "{slide_id}"},
        ),
    log:
        "<logs>/mask/{slide_id}.log",
    benchmark:
        "<benchmarks>/mask/{slide_id}.tsv"
    params:
        settings=settings("mask"),
        code=digest("histotile.stages.mask"),
    shell:
        "histotile mask {input.slide:q} --inspection {input.inspection:q} --output {output.mask:q}"
        " --overlay {output.overlay:q} --settings {params.settings:q} > {log:q} 2>&1"


if not LISTING:

    rule tile:
        """Lay a grid of tiles over the tissue of {wildcards.slide_id}."""
        input:
            slide=slide_path,
            parts=slide_parts,
            inspection="<results>/inspect/{slide_id}.json",
            mask="<results>/mask/{slide_id}.png",
            annotations=annotation_paths,
            coordinates=coordinates_path,
        output:
            "<results>/tile/{slide_id}.parquet",
        log:
            "<logs>/tile/{slide_id}.log",
        benchmark:
            "<benchmarks>/tile/{slide_id}.tsv"
        params:
            annotations=lambda wildcards, input: each("--annotation", input.annotations),
            coordinates=lambda wildcards, input: each(
                "--coordinates", input.coordinates
            ),
            label=label_option,
            classes=CLASSES,
            settings=settings("tile"),
            code=digest("histotile.stages.tile"),
        shell:
            "histotile tile {input.slide:q} --inspection {input.inspection:q} --mask {input.mask:q}"
            " {params.annotations:q} {params.coordinates:q} {params.label:q} --classes {params.classes:q} --output {output:q}"
            " --settings {params.settings:q} > {log:q} 2>&1"


rule collect:
    """List the labelled images of the cohort, group by group."""
    input:
        [] if Path(CONFIG.cohort).is_dir() else CONFIG.cohort,
    output:
        "<results>/collect/slides.csv",
    log:
        "<logs>/collect.log",
    localrule: True
    params:
        cohort=lambda wildcards: CONFIG.cohort,
        listing=LISTING.digest if LISTING else "",
        classes=CLASSES,
        code=digest("histotile.stages.collect"),
        accept=accepted("spelling", "patient"),
    shell:
        "histotile collect {params.cohort:q} --classes {params.classes:q}"
        " --accept {params.accept:q} --output {output:q} > {log:q} 2>&1"


for suffix, job, ids in PORTIONS if LISTING else []:

    rule:
        """Table the ready-made tiles of groups."""
        name:
            f"tile_images{suffix}"
        # The images are no inputs: thousands of them would slow each start. Their digest is a param.
        output:
            tiles=[f"<results>/tile/{i}.parquet" for i in ids],
        log:
            f"<logs>/tile/{job}.log",
        benchmark:
            f"<benchmarks>/tile/{job}.tsv"
        threads: 1
        params:
            cohort=CONFIG.cohort,
            groups=ids,
            images=[LISTING.digests[i] for i in ids],
            tiles=place_of("tiles"),
            classes=CLASSES,
            settings=settings("tile"),
            code=digest("histotile.stages.tile_images"),
        shell:
            "histotile tile-images --classes {params.classes:q} --threads {threads}"
            " --output {params.tiles:q} --settings {params.settings:q}"
            " -- {params.cohort:q} {params.groups:q} > {log:q} 2>&1"
