"""Validation against the part of JSON Schema that our own schemas use.

Understood: ``type`` (one or a list), ``enum``, ``const``, ``pattern``, ``minimum``, ``required``, ``properties``,
``additionalProperties``, ``items``, ``minItems``, ``maxItems``, and ``$ref`` into ``#/$defs``. Any other keyword in
a schema is an error, never ignored.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_ANNOTATIONS = {"$schema", "$id", "title", "description", "$defs"}
_KEYWORDS = {
    "type", "enum", "const", "pattern", "minimum", "required", "properties", "additionalProperties", "items",
    "minItems", "maxItems", "$ref",
}  # fmt: skip


class SchemaError(ValueError):
    """A document does not have the shape that a schema asks for; the message names the place."""


@cache
def result_schema() -> dict[str, Any]:
    """The schema of ``result.json``, as shipped in ``result.schema.json`` beside this module."""
    return json.loads(resources.files(__package__ or "").joinpath("result.schema.json").read_text(encoding="utf-8"))


def validate(document: Any, schema: dict[str, Any], place: str = "", root: dict[str, Any] | None = None) -> None:
    """Checks a document, as `json.loads` returns it, against a schema.

    Args:
        document: What to check.
        schema: The schema.
        place: Path of the document in the whole, for messages.
        root: The whole schema, where ``$ref`` points into.

    Raises:
        SchemaError: If the document does not fit; names the first place, what stands there, and what it takes.
        NotImplementedError: If the schema uses a keyword that is not understood.

    >>> validate({"n": 3}, {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}})
    >>> validate({"n": "3"}, {"type": "object", "properties": {"n": {"type": "integer"}}})
    Traceback (most recent call last):
    ...
    erlangen.report.schema.SchemaError: n: got a string, takes integer
    """
    root = schema if root is None else root
    unknown = set(schema) - _KEYWORDS - _ANNOTATIONS
    if unknown:
        raise NotImplementedError(f"schema keywords {sorted(unknown)} are not understood")
    if "$ref" in schema:
        validate(document, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], place, root)
        return
    here = place or "the document"
    _scalar(document, schema, here)
    if isinstance(document, dict):
        _object(document, schema, place, root)
    elif isinstance(document, list):
        _array(document, schema, place, root)


def _scalar(document: Any, schema: dict[str, Any], here: str) -> None:
    if "type" in schema:
        names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        if not any(_is(document, name) for name in names):
            raise SchemaError(f"{here}: got {_article(document)}, takes {' or '.join(names)}")
    if "const" in schema and document != schema["const"]:
        raise SchemaError(f"{here}: got {document!r}, takes {schema['const']!r}")
    if "enum" in schema and document not in schema["enum"]:
        raise SchemaError(f"{here}: got {document!r}, takes one of {', '.join(map(repr, schema['enum']))}")
    if "pattern" in schema and isinstance(document, str) and not re.search(schema["pattern"], document):
        raise SchemaError(f"{here}: got {document!r}, takes text that fits {schema['pattern']}")
    if "minimum" in schema and _is(document, "number") and document < schema["minimum"]:
        raise SchemaError(f"{here}: got {document}, takes at least {schema['minimum']}")


def _object(document: dict[str, Any], schema: dict[str, Any], place: str, root: dict[str, Any]) -> None:
    here = place or "the document"
    missing = [key for key in schema.get("required", ()) if key not in document]
    if missing:
        raise SchemaError(f"{here}: {', '.join(map(repr, missing))} missing")
    known, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
    for key, value in document.items():
        inner = f"{place}.{key}" if place else key
        if key in known:
            validate(value, known[key], inner, root)
        elif rest is False:
            raise SchemaError(f"{here}: {key!r} is unknown; takes {', '.join(known)}")
        elif isinstance(rest, dict):
            validate(value, rest, inner, root)


def _array(document: list[Any], schema: dict[str, Any], place: str, root: dict[str, Any]) -> None:
    here = place or "the document"
    if len(document) < schema.get("minItems", 0) or len(document) > schema.get("maxItems", len(document)):
        least, most = schema.get("minItems", 0), schema.get("maxItems", "more")
        raise SchemaError(f"{here}: got {len(document)} items, takes {least} to {most}")
    if "items" in schema:
        for index, value in enumerate(document):
            validate(value, schema["items"], f"{place}[{index}]", root)


def _is(document: Any, name: str) -> bool:
    if isinstance(document, bool):
        return name == "boolean"
    whole = isinstance(document, float) and document.is_integer()
    return isinstance(document, _TYPES[name]) or (name == "integer" and whole)


def _article(document: Any) -> str:
    name = next(name for name in _TYPES if _is(document, name))
    return {"null": "null"}.get(name, f"an {name}" if name[0] in "aio" else f"a {name}")
