"""How often `tune` says "worth it" where no setting is better, and where one is.

Writes benchmarks/tuning.csv. Gains of 23 trials over the settings in force are drawn, not trained:
each trial has its own effect on each patient, which lasts (the worst case: the search sees the very
patients of the comparison), and seeds and single trainings add noise. The search takes the best;
the comparison on three fresh divisions is judged as `tune` judges it. `true_gain` of three of the
trials and `seed_sd` count in standard errors of a mean over the patients.
"""

import csv
from collections import Counter
from pathlib import Path

import numpy as np

from histotile.io.atomic import replacing
from histotile.strategy.tuning.gain import Doubles, judge, measure_gain, patient_weights
from histotile.strategy.tuning.record import Repeat, Trial

OUT = Path(__file__).with_suffix(".csv")
TRIALS, REPEATS, BOOTSTRAPS, SEARCHES = 23, 3, 400, 400
PATIENTS, SEED_SDS, TRUE_GAINS = (8, 12, 24, 60), (0.2, 1.0), (0.0, 3.0, 6.0)
VERDICTS = ("worth it", "perhaps", "not worth it")


def main() -> None:
    """Write a row for each number of patients, noise of seeds and true gain."""
    found = []
    for patients in PATIENTS:
        for seed_sd in SEED_SDS:
            for true in TRUE_GAINS:
                said = Counter(search(patients, seed_sd, true, n) for n in range(SEARCHES))
                shares = [said[verdict] / SEARCHES for verdict in VERDICTS]
                found.append((patients, seed_sd, true, *shares))
                print(*found[-1], flush=True)
    with replacing(OUT) as path, path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("patients", "seed_sd", "true_gain", *VERDICTS))
        writer.writerows(found)
    tell(found)


def tell(found: list[tuple[float, ...]]) -> None:
    """The ranges that docs/training.md names."""
    none = [row for row in found if row[2] == 0]
    large = [row[3] for row in found if row[2] == max(TRUE_GAINS)]
    plain = [row[3] + row[4] for row in none]
    print(f"no gain: plain interval above zero {min(plain):.3f} to {max(plain):.3f}")
    print(f"no gain: worth it at most {max(row[3] for row in none):.4f}")
    print(f"the largest gain: worth it {min(large):.4f} to {max(large):.4f}")


def search(patients: int, seed_sd: float, true: float, number: int) -> str:
    """The verdict of one search and its comparison."""
    rng = np.random.default_rng([patients, int(10 * seed_sd), int(true), number])
    error = 1 / np.sqrt(patients)
    effects = rng.normal(size=(TRIALS, patients))
    effects[:3] += true * error

    def trained(of: Doubles, times: int) -> Doubles:
        seeds: Doubles = seed_sd * error * rng.normal(size=(times, 1))
        return of + seeds + 0.5 * rng.normal(size=(times, patients))

    best = effects[trained(effects, TRIALS).mean(axis=1).argmax()]
    weights = patient_weights(patients, BOOTSTRAPS, number)
    scores = trained(best[None], REPEATS) @ weights.T / weights.sum(axis=1)
    gain = measure_gain(np.zeros_like(scores), scores, (patients, TRIALS), number)
    trials = [trial(0.5), *(trial(0.6) for _ in range(TRIALS))]
    return judge(trials, 1, [Repeat(in_force=trial(0.5), best=trial(0.6))], gain)[0]


def trial(score: float) -> Trial:
    """Some finished trial."""
    return Trial(
        settings={},
        score=score,
        folds=[score],
        gave_way=0,
        reason=None,
        seconds=1,
        processor_seconds=1,
    )


if __name__ == "__main__":
    main()
