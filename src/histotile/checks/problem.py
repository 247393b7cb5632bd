"""One entry of the list of what is wrong, and how such a list is told."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

from histotile.errors import HistotileError

T = TypeVar("T")
Level = Literal["error", "warning", "later"]
_HEADINGS = {"error": "wrong", "warning": "doubtful", "later": "only found later"}


@dataclass(frozen=True)
class Problem:
    """Something wrong or doubtful.

    Attributes:
        level: "error" stops the run; "warning" does not; "later": a job will tell.
        where: The file, key or row concerned.
        fact: What stands there, what is allowed, and what was probably meant.
        remedy: What to do about it; "" where the fact says it.
        stage: The first stage that it stops; "": nothing can run.
    """

    level: Level
    where: str
    fact: str
    remedy: str = ""
    stage: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def attempt(
    problems: list[Problem], function: Callable[..., T], *arguments: Any, where: str | None = None
) -> T | None:
    """The function's result; None if it finds mistakes, each of which becomes a problem.

    Args:
        problems: Grows by the mistakes.
        function: What may raise a HistotileError.
        arguments: Of the function.
        where: Put before the subject of its mistakes, e.g. the slide concerned.
    """
    try:
        return function(*arguments)
    except HistotileError as error:
        problems += of_error(error, where)
        return None


def of_error(error: HistotileError, where: str | None = None) -> list[Problem]:
    """One problem for each mistake that an error names."""
    subject = f"{where}: {error.subject}" if where else error.subject
    return [Problem("error", subject, part, error.remedy) for part in error.parts]


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Those that stop the run."""
    return [problem for problem in problems if problem.level == "error"]


def tell(problems: Sequence[Problem]) -> list[str]:
    """Lines for the terminal: errors, warnings, and what only later stages can find.

    A remedy stands once, below the last of the entries that share it.
    """
    lines: list[str] = []
    for level, heading in _HEADINGS.items():
        chosen = [problem for problem in problems if problem.level == level]
        if chosen:
            lines.append(f"{len(chosen)} {heading}:")
        for problem, following in zip(chosen, [*chosen[1:], None], strict=False):
            lines.append(f"  {problem.where}: {problem.fact}")
            if problem.remedy and (following is None or following.remedy != problem.remedy):
                lines.append(f"    Remedy: {problem.remedy}")
    return lines
