"""One class against the rest: of two classes the second is looked for."""

from dataclasses import dataclass
from typing import ClassVar

from histotile.tasks.multiclass import Multiclass


@dataclass(frozen=True)
class Binary(Multiclass):
    """Two classes by softmax over two logits, whose difference is the logit of the second."""

    kind: ClassVar[str] = "binary"

    @property
    def positive(self) -> str:
        """The second class."""
        return self.names[1]
