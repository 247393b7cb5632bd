"""What every section of the settings shares, and values that are more than a type."""

import os
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from histotile.io.names import alike


class Section(BaseModel):
    """A frozen group of settings that knows no other keys than its own."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, defer_build=True, coerce_numbers_to_str=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_yes_as_number(cls, value: object, info: ValidationInfo) -> object:
        """A setting as written; `true` is not taken for 1, nor `no` for 0."""
        wanted = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and wanted in (int, float):
            raise ValueError(f"{str(value).lower()} is no number")
        return value


def _place(path: str) -> str:
    """A path with `~` written out; paths of Windows are none on other systems."""
    if os.name != "nt" and re.match(r"[A-Za-z]:[\\/]|.*\\", path):
        raise ValueError(f"{path!r} is a path of Windows; write it as this system does, with /")
    return os.path.expanduser(path)  # noqa: PTH111 - where there is no home, as it is


def _one_class_each(names: dict[str, str]) -> dict[str, str]:
    """Names of outlines -> classes; no two names look the same and mean different classes."""
    for group in alike(names):
        if len({names[name] for name in group}) > 1:
            means = ", ".join(f"{name!r} is {names[name]}" for name in group)
            raise ValueError(f"names that look the same are the same, but {means}")
    return names


def _ids_with_reasons(accept: dict[str, str]) -> dict[str, str]:
    """Ids of findings -> why they are right; no id that none can have, and no empty reason."""
    for name, reason in accept.items():
        if not re.fullmatch(r"[a-z-]+-[0-9a-f]{8}", name):
            raise ValueError(f"{name!r} is no id as printed, e.g. spelling-1f0c77aa")
        if not reason.strip():
            raise ValueError(f"{name} has no reason: say why it is right as it stands")
    return accept


Place = Annotated[str, AfterValidator(_place)]
Meanings = Annotated[dict[str, str], AfterValidator(_one_class_each)]
Reasons = Annotated[dict[str, str], AfterValidator(_ids_with_reasons)]
Strength = Literal["off", "light", "medium", "heavy"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
