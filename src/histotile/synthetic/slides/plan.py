"""Who is in a synthetic cohort: patients, their sites, their slides."""

from dataclasses import dataclass

import numpy as np

from histotile.config import Synthesize
from histotile.errors import HistotileError
from histotile.synthetic.slides.lesions import Scenario
from histotile.synthetic.slides.plants import SyntheticSlide, plant_leaks
from histotile.synthetic.slides.pyramid import Flavour
from histotile.synthetic.slides.spec import Spec
from histotile.synthetic.slides.stains import make_site

MOST_SLIDES = 3  # per patient


@dataclass(frozen=True)
class Patient:
    """A person: the scenario of all their slides, their site, and their effect on every slide."""

    patient_id: str
    scenario: Scenario
    site: int
    nuclear_size: float
    nuclear_density: float
    haematoxylin: float
    eosin: float
    grain_number: float
    grain_strength: float
    brown: float  # background of an in-situ hybridisation


def plan_cohort(settings: Synthesize) -> list[SyntheticSlide]:
    """The slides of a cohort, patient by patient; their numbers tell nothing of their labels.

    Raises:
        HistotileError: Fewer slides than patients, or over three slides per patient.
    """
    if not settings.patients <= settings.slides <= MOST_SLIDES * settings.patients:
        raise HistotileError(
            "synthesize",
            f"{settings.slides} slides of {settings.patients} patients",
            f"a patient has 1 to {MOST_SLIDES} slides: change slides or patients",
        )
    owners = [
        p for p, n in zip(_patients(settings), _counts(settings), strict=True) for _ in range(n)
    ]
    seeds = np.random.default_rng([settings.seed, 23]).integers(0, 2**31, len(owners))
    slides = [
        _slide(settings, patient, number, int(seed))
        for number, (patient, seed) in enumerate(zip(owners, seeds, strict=True), 1)
    ]
    return plant_leaks(settings, slides)


def _patients(settings: Synthesize) -> list[Patient]:
    """Scenarios in equal parts; every healthy patient has a diseased twin of the same effects.

    So neither site nor patient tells the label, however few patients there are, unless the sites
    are confounded on purpose.
    """
    rng = np.random.default_rng([settings.seed, 21])
    cycle: tuple[Scenario, ...] = ("Z", "A", "Z", "B")
    if settings.task == "syndrome":
        cycle = ("Z", "A", "B", "C")
    classes = len(set(cycle)) if settings.task == "syndrome" else 2
    scenarios = [cycle[n % len(cycle)] for n in range(settings.patients)]
    sites = _sites(settings, scenarios)
    spread = settings.patient_effect * np.array([0.05, 0.15, 0.03, 0.03])
    twins = -(-settings.patients // classes)
    effects = np.exp(spread * np.clip(rng.standard_normal((twins, 4)), -2, 2))
    spread = settings.patient_effect * np.array([0.05, 0.1, 0.15])
    brown = np.random.default_rng([settings.seed, 27]).standard_normal((twins, 3))
    effects = np.concatenate([effects, np.exp(spread * np.clip(brown, -2, 2))], axis=1)
    patients = []
    for number, n in enumerate(rng.permutation(settings.patients), 1):
        own = (float(e) for e in effects[n // classes])
        patients.append(Patient(f"patient_{number:03d}", scenarios[n], sites[n], *own))
    return patients


def _sites(settings: Synthesize, scenarios: list[Scenario]) -> list[int]:
    """Healthy and diseased patients dealt evenly to all sites, but for the confounded share.

    The confounded share of healthy patients goes to the upper half of the sites, that of the
    diseased to the lower half.
    """
    rng = np.random.default_rng([settings.seed, 22])
    sites, seen = [], {True: 0, False: 0}
    half = settings.sites // 2
    for scenario in scenarios:
        healthy = scenario == "Z"
        turn, seen[healthy] = seen[healthy], seen[healthy] + 1
        if rng.uniform() < settings.site_label_confounding and half:
            sites.append(half + turn % (settings.sites - half) if healthy else turn % half)
        else:
            sites.append(turn % settings.sites)
    return sites


def _counts(settings: Synthesize) -> list[int]:
    """Slides per patient: one each, and the rest at random."""
    rng = np.random.default_rng([settings.seed, 24])
    counts = [1] * settings.patients
    while sum(counts) < settings.slides:
        free = [n for n, c in enumerate(counts) if c < MOST_SLIDES]
        counts[int(rng.choice(free))] += 1
    return counts


def _slide(settings: Synthesize, patient: Patient, number: int, seed: int) -> SyntheticSlide:
    rng = np.random.default_rng([seed, 4])
    stain = np.exp(0.02 * settings.site_effect * rng.uniform(-1, 1, 2))
    spec = Spec(
        width=settings.side_px,
        height=settings.side_px,
        seed=seed,
        mpp=settings.mpp,
        organ=settings.organ,
        mode=settings.mode,
        scenario=patient.scenario,
        tissue_fraction=settings.tissue_fraction,
        site=make_site(settings.seed, patient.site, settings.site_effect),
        nuclear_size=patient.nuclear_size,
        nuclear_density=patient.nuclear_density,
        haematoxylin=patient.haematoxylin * float(stain[0]),
        eosin=patient.eosin * float(stain[1]) * patient.brown**settings.shift,
        artefact_rate=settings.artefact_rate,
        tumour_share=settings.tumour_share,
        shift=settings.shift,
        grain_number=patient.grain_number,
        grain_strength=patient.grain_strength,
    )
    lesion = "tumour" if settings.task == "binary" else patient.scenario
    mixed: Flavour = "svs" if number % 2 else "tiff"
    return SyntheticSlide(
        slide_id=f"slide_{number:03d}",
        patient_id=patient.patient_id,
        site=f"site_{patient.site + 1}",
        label="healthy" if patient.scenario == "Z" else lesion,
        flavour=mixed if settings.flavour == "mixed" else settings.flavour,
        quality=settings.jpeg_quality,
        spec=spec,
    )
