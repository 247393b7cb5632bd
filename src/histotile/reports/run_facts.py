"""How a run was made: settings, folds, models, code. The pages and the model card tell it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RunFacts:
    """Everything known of how a run was made; empty where nothing is known.

    Args:
        settings: Section name -> settings, as in config.yaml.
        settings_digest: 12 hex digits over all settings.
        commit: Commit of the source tree whose code wrote the pages, "+" behind it where files
            differ from it; None where the code is no checkout.
        code: 12 hex digits over all code of histotile as it was when the pages were written.
        models: The summary of each fold's training, in the order of folds.
        folds: Fold -> role (train, val, test) -> (patients, slides).
        split_digest: 12 hex digits over the fold table.
        backbone_licence: Licence of the backbone's weights, where their files name one or their
            name is known, and what follows for models trained on them.
        backbone_doubts: What to mind of a published backbone: its licence, another scale than
            that of its pre-training; as sentences without a full stop.
        written: When the pages were written, ISO 8601.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    settings_digest: str | None = None
    commit: str | None = None
    code: str | None = None
    models: Sequence[Mapping[str, Any]] = ()
    folds: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    split_digest: str | None = None
    backbone_licence: str | None = None
    backbone_doubts: Sequence[str] = ()
    written: str | None = None

    @property
    def in_vain(self) -> Sequence[Mapping[str, Any]]:
        """`strategy` and `hours` of each training that gave way to the probe it began with."""
        return [found for model in self.models if (found := model.get("instead_of"))]

    @property
    def seeds(self) -> Mapping[str, int]:
        """Section -> its seed, of every section that has one."""
        return {
            name: int(section["seed"])
            for name, section in self.settings.items()
            if isinstance(section, Mapping) and "seed" in section
        }
