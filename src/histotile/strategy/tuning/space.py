"""What a search may change of the settings of training: few numbers, each with its range."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

from histotile.backbones.batch_norm import batch_norms
from histotile.backbones.build import build_network
from histotile.config import Strength, Train
from histotile.errors import HistotileError
from histotile.strategy.tuning.record import Parameter
from histotile.training.job import Job
from histotile.training.optimizer import ADAMW_LR
from histotile.training.start import can_drop
from histotile.training.strategies.approach import approach_of

LEVELS = get_args(Strength)
AUGMENT = "augment"
CHANGES = ("resized_crop", "perspective", "colour", "stain", "erasing")
_USUAL = ("resized_crop", "colour", "stain")  # strengthened where all are off
_DECAYS = {"adamw": (1e-3, 0.5), "sgd": (1e-5, 1e-2)}
_LR_FACTOR = 10.0  # below and above the rate in force

Values = Mapping[str, float]


def make_space(job: Job) -> list[Parameter]:
    """The settings that are searched for this job, the default of each within its range.

    Raises:
        HistotileError: Its head is fitted exactly.
    """
    approach = approach_of(job)
    if approach is None:
        fact = (
            f"{job.strategy} fits its head exactly, and its one setting, the L2 strength, is "
            "chosen by cross-validation already: nothing is left to search"
        )
        remedy = '--train \'{"strategy": "finetune"}\', or train.strategy: finetune or retrain'
        raise HistotileError("tune", fact, remedy)
    return [*_of_recipe(job, approach.section), _strength(job.settings)]


def _of_recipe(job: Job, section: str) -> Iterator[Parameter]:
    recipe = getattr(job.settings, section)
    sgd = recipe.optimizer == "sgd"
    name = "sgd_lr" if sgd else "adamw_lr"
    lr = getattr(recipe, name)
    if lr is None:
        network, _ = build_network(job.backbone, job.task.outputs, job.fold.train.tile_px)
        lr = ADAMW_LR[bool(batch_norms(network))]
    yield _parameter(f"{section}.{name}", lr, (lr / _LR_FACTOR, lr * _LR_FACTOR), "log")
    if recipe.optimizer in _DECAYS:
        name = f"{recipe.optimizer}_weight_decay"
        decay = getattr(recipe, name)
        yield _parameter(f"{section}.{name}", decay, _DECAYS[recipe.optimizer], "log")
    if recipe.dropout or can_drop(job):
        yield _parameter(f"{section}.dropout", recipe.dropout, (0.0, 0.5), "linear")
    if section == "finetune":
        yield _parameter(f"{section}.layer_decay", recipe.layer_decay, (0.5, 1.0), "linear")
    elif job.settings.batch_size != 1:  # no two tiles to blend
        yield _parameter(f"{section}.mixup", recipe.mixup, (0.0, 0.4), "linear")


def _parameter(
    key: str, default: float, limits: tuple[float, float], scale: Literal["log", "linear"]
) -> Parameter:
    low, high = min(limits[0], default), max(limits[1], default)
    scale = "linear" if low == 0 else scale
    return Parameter(key=key, default=default, low=low, high=high, scale=scale)


def _strength(settings: Train) -> Parameter:
    levels = [LEVELS.index(getattr(settings.augment, name)) for name in _changed(settings)]
    return Parameter(
        key=AUGMENT, default=0, low=-max(levels), high=len(LEVELS) - 1 - min(levels), scale="steps"
    )


def _changed(settings: Train) -> list[str]:
    """The random changes whose strength is searched: those in force, or else the usual ones."""
    used = [name for name in CHANGES if getattr(settings.augment, name) != LEVELS[0]]
    return used or list(_USUAL)


def changes(parameters: list[Parameter], values: Values, train: Train) -> dict[str, Any]:
    """Dotted keys of section `train` with the values that differ from those in force.

    Numbers are rounded to two digits: what is tried is what can be pasted.
    """
    found: dict[str, Any] = {}
    for parameter in parameters:
        value = values[parameter.key]
        if value == parameter.default:
            continue
        if parameter.key != AUGMENT:
            found[parameter.key] = float(f"{value:.2g}")
            continue
        for name in _changed(train):
            now = LEVELS.index(getattr(train.augment, name))
            level = min(max(now + int(value), 0), len(LEVELS) - 1)
            if level != now:
                found[f"{AUGMENT}.{name}"] = LEVELS[level]
    return found


def changed(train: Train, found: Mapping[str, Any]) -> Train:
    """Section `train` with these dotted keys changed."""
    return Train.model_validate(nested(found, train.model_dump()))


def nested(found: Mapping[str, Any], data: dict[str, Any] | None = None) -> dict[str, Any]:
    """Dotted keys as sections within sections, over those that are there."""
    data = {} if data is None else data
    for key, value in found.items():
        *above, leaf = key.split(".")
        place = data
        for part in above:
            place = place.setdefault(part, {})
        place[leaf] = value
    return data
