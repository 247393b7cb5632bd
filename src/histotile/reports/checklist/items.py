"""Items of two reporting guidelines, and which of a run's artefacts speak to each.

Numbers and topics follow the guidelines; the short names are ours, and stand in for the full text,
which is to be read at the source:

- TRIPOD+AI: Collins et al., BMJ 2024;385:e078378, doi:10.1136/bmj-2023-078378, 27 items;
- CLAIM: Tejani et al., Radiol Artif Intell 2024;6(4):e240300, doi:10.1148/ryai.240300, 44 items.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """An item of a guideline.

    Args:
        number: Its number, a letter behind it where it has parts.
        name: What it asks for, in few words of ours.
        evidence: Keys of `evidence.gather_evidence` that speak to it.
        is_ours: Whether they can say all of it; else the investigator has to.
    """

    number: str
    name: str
    evidence: tuple[str, ...] = ()
    is_ours: bool = False


@dataclass(frozen=True)
class Guideline:
    """A guideline: its name, where it was published, its items by section."""

    name: str
    source: str
    link: str
    sections: tuple[tuple[str, tuple[Item, ...]], ...]


TRIPOD_AI = Guideline(
    "TRIPOD+AI",
    "Collins et al., BMJ 2024;385:e078378",
    "https://doi.org/10.1136/bmj-2023-078378",
    (
        ("Title and abstract", (Item("1", "Title"), Item("2", "Abstract"))),
        (
            "Introduction",
            (
                Item("3a", "Background: context and reasons"),
                Item("3b", "Background: target population, purpose, users", ("use",)),
                Item("3c", "Background: known health inequalities"),
                Item("4", "Objectives"),
            ),
        ),
        (
            "Methods",
            (
                Item("5a", "Data: sources and how representative", ("cohort", "sites")),
                Item("5b", "Data: dates"),
                Item("6a", "Participants: setting and centres", ("sites",)),
                Item("6b", "Participants: eligibility", ("quarantine",)),
                Item("6c", "Participants: treatments"),
                Item("7", "Data preparation", ("preparation", "rejected")),
                Item("8a", "Outcome: definition and assessment", ("labels",)),
                Item("8b", "Outcome: assessors"),
                Item("8c", "Outcome: blinding"),
                Item("9a", "Predictors: initial choice", ("preparation",)),
                Item("9b", "Predictors: definition and measurement", ("scans", "preparation")),
                Item("9c", "Predictors: assessors"),
                Item("10", "Sample size", ("size",)),
                Item("11", "Missing data", ("quarantine", "rejected")),
                Item("12a", "Analytical methods: use of the data", ("split",), True),
                Item("12b", "Analytical methods: handling of predictors", ("preparation",), True),
                Item("12c", "Analytical methods: model and building", ("model", "training"), True),
                Item("12d", "Analytical methods: clusters", ("by_site", "baselines")),
                Item("12e", "Analytical methods: measures and plots", ("measures",)),
                Item("12f", "Analytical methods: updating"),
                Item("12g", "Analytical methods: how predictions were made", ("ensemble", "code")),
                Item("13", "Class imbalance", ("imbalance",)),
                Item("14", "Fairness"),
                Item("15", "Model output", ("output",)),
                Item("16", "Training versus evaluation", ("split", "external")),
                Item("17", "Ethical approval"),
            ),
        ),
        (
            "Open science",
            (
                Item("18a", "Funding"),
                Item("18b", "Conflicts of interest"),
                Item("18c", "Protocol"),
                Item("18d", "Registration"),
                Item("18e", "Data sharing", ("checksums",)),
                Item("18f", "Code sharing", ("code",)),
            ),
        ),
        (
            "Patient and public involvement",
            (Item("19", "Patient and public involvement"),),
        ),
        (
            "Results",
            (
                Item("20a", "Participants: flow", ("cohort", "quarantine")),
                Item("20b", "Participants: characteristics", ("sites", "scans")),
                Item("20c", "Participants: evaluation against development", ("split",)),
                Item("21", "Model development: numbers in each analysis", ("split", "size"), True),
                Item("22", "Model specification", ("model", "backbone", "code")),
                Item("23a", "Model performance", ("measures", "calibration", "by_site")),
                Item("23b", "Model performance: clusters", ("by_site",)),
                Item("24", "Model updating"),
            ),
        ),
        (
            "Discussion",
            (
                Item("25", "Interpretation"),
                Item("26", "Limitations", ("limits",)),
                Item("27a", "Usability: poor or missing input", ("quarantine", "distribution")),
                Item("27b", "Usability: interaction and expertise"),
                Item("27c", "Usability: next steps"),
            ),
        ),
    ),
)

CLAIM = Guideline(
    "CLAIM, 2024 update",
    "Tejani et al., Radiol Artif Intell 2024;6(4):e240300",
    "https://doi.org/10.1148/ryai.240300",
    (
        ("Title and abstract", (Item("1", "Title"), Item("2", "Abstract"))),
        (
            "Introduction",
            (
                Item("3", "Background and intended role", ("use",)),
                Item("4", "Aims and hypotheses"),
            ),
        ),
        (
            "Methods: study design and data",
            (
                Item("5", "Prospective or retrospective"),
                Item("6", "Study goal"),
                Item("7", "Data sources", ("cohort", "sites")),
                Item("8", "Inclusion and exclusion", ("quarantine",)),
                Item("9", "Preprocessing", ("preparation",), True),
                Item("10", "Selection of subsets", ("rejected",)),
                Item("11", "De-identification"),
                Item("12", "Missing data", ("quarantine", "rejected")),
                Item("13", "Image acquisition", ("scans",)),
            ),
        ),
        (
            "Methods: reference standard",
            (
                Item("14", "Definition", ("labels",)),
                Item("15", "Rationale"),
                Item("16", "Source of annotations"),
                Item("17", "Annotation of the test set", ("labels",)),
                Item("18", "Variability between and within raters"),
            ),
        ),
        (
            "Methods: partitions and testing data",
            (
                Item("19", "Assignment to partitions", ("split",), True),
                Item("20", "Level at which they are disjoint", ("disjoint",), True),
                Item("21", "Intended sample size", ("size",)),
            ),
        ),
        (
            "Methods: model and training",
            (
                Item("22", "Model", ("model",), True),
                Item("23", "Software", ("software",), True),
                Item("24", "Initialisation", ("backbone",), True),
                Item("25", "Training", ("training",), True),
                Item("26", "Selection of the final model", ("selection",), True),
                Item("27", "Ensembling", ("ensemble",), True),
            ),
        ),
        (
            "Methods: evaluation",
            (
                Item("28", "Metrics", ("measures",)),
                Item("29", "Significance and uncertainty", ("uncertainty",)),
                Item("30", "Robustness and sensitivity", ("baselines", "verification")),
                Item("31", "Explainability", ("heatmaps",)),
                Item("32", "Internal data", ("split",)),
                Item("33", "External data", ("external",)),
                Item("34", "Trial registration"),
            ),
        ),
        (
            "Results",
            (
                Item("35", "Included and excluded", ("cohort", "quarantine")),
                Item("36", "Demographic and clinical characteristics", ("split",)),
                Item("37", "Performance and its uncertainty", ("measures", "uncertainty")),
                Item("38", "Diagnostic accuracy and its precision", ("measures",)),
                Item("39", "Failure analysis", ("failures",)),
            ),
        ),
        (
            "Discussion and other information",
            (
                Item("40", "Limitations", ("limits",)),
                Item("41", "Implications for practice"),
                Item("42", "Protocol and further details"),
                Item("43", "Availability of software, model, data", ("code", "checksums")),
                Item("44", "Funding"),
            ),
        ),
    ),
)
