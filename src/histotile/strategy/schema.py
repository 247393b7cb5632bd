"""The JSON schema of decision.json, for readers in other languages."""

import json
from pathlib import Path

from histotile.io.atomic import write_text
from histotile.strategy.record import Decision


def schema() -> str:
    """JSON schema of decision.json."""
    return json.dumps(Decision.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def schema_file() -> Path:
    """Where the schema lies in the package."""
    return Path(__file__).with_name("decision.schema.json")


def rewrite() -> None:
    """The schema of today's record in its file."""
    write_text(schema_file(), schema())
