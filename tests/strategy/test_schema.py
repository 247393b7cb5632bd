"""The JSON schema of decision.json follows the record."""

import json

from histotile.strategy.schema import schema, schema_file


def test_committed_schema_is_of_today() -> None:
    assert schema_file().read_text() == schema(), "run `make config`"
    assert "position" in json.loads(schema())["required"]
