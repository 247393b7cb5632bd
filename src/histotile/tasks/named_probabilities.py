"""What tasks share whose values are a probability for each name."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from histotile.tasks.task import Layer

PREFIX = "prob_"  # of columns of probabilities


@dataclass(frozen=True)
class NamedProbabilities:
    """Names with a logit and a probability each, and how training softens their losses."""

    names: tuple[str, ...]
    smoothing: float = field(default=0.0, compare=False)
    focal_gamma: float = field(default=0.0, compare=False)

    kind: ClassVar[str]
    chance: ClassVar[float] = 0.5

    def __str__(self) -> str:
        """E.g. "binary (healthy, tumour)"."""
        return f"{self.kind} ({', '.join(self.names)})"

    @property
    def outputs(self) -> int:
        """One logit per name."""
        return len(self.names)

    @property
    def columns(self) -> tuple[str, ...]:
        """`prob_<name>`."""
        return tuple(PREFIX + name for name in self.names)

    def layer(self, name: str) -> Layer:
        """The probability of that name."""
        return Layer(f"Probability of {name}", f"p({name})", "p", 0.0, 1.0)

    def metadata(self) -> dict[str, Any]:
        """Kind, names, and how they are trained."""
        given = {"smoothing": self.smoothing, "focal_gamma": self.focal_gamma}
        options = {name: value for name, value in given.items() if value}
        facts = {"task": self.kind, "classes": list(self.names)}
        return facts | ({"task_options": options} if options else {})
