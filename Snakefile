"""histotile: slides in; tile classifiers, heatmaps and models out. Research use only.

snakemake --cores all            everything up to the cohort page
snakemake --cores all apply      new slides with a trained model, no training; ends with their
                                 summary and page, and with status 3 where any was left out
snakemake --report report.html   provenance page of a finished run
"""

from snakemake.utils import min_version

min_version("9.12")  # path variables


include: "workflow/rules/settings.smk"


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/slides.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/results.smk"


rule all:
    """Slides in, heatmaps and models out."""
    default_target: True
    input:
        "<results>/report/index.html",
        expand("<results>/heatmap/{slide_id}.png", slide_id=PICTURED),
        expand("<results>/export/{fold}", fold=FOLDS),
        "<results>/decide/index.html",
        "<results>/verify/index.html" if COMPARED else [],
