"""Does a value fit a JSON Schema? As much of that as an OpenAPI document of ours uses."""

from __future__ import annotations

from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,),
    "null": (type(None),), "integer": (int,), "number": (int, float),
}  # fmt: skip


def misfits(value: Any, schema: dict[str, Any], schemas: dict[str, Any], at: str = "") -> list[str]:
    """Return where *value* is not what *schema* says, in words; *schemas* are what it refers to."""
    if "$ref" in schema:
        return misfits(value, schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas, at)
    if "anyOf" in schema:
        each = [misfits(value, one, schemas, at) for one in schema["anyOf"]]
        return [] if not all(each) else min(each, key=len)
    expected = schema.get("enum", schema.get("type"))
    if expected is not None and not _is(value, expected):
        return [f"{at}: {value!r} is not {expected}"]
    if isinstance(value, dict):
        return _of_object(value, schema, schemas, at)
    return _of_list(value, schema, schemas, at) if isinstance(value, list) else []


def _of_list(
    value: list[Any], schema: dict[str, Any], schemas: dict[str, Any], at: str
) -> list[str]:
    first, rest = schema.get("prefixItems", []), schema.get("items", {})
    rest = rest if isinstance(rest, dict) else {}
    shapes = [*first, *[rest] * (len(value) - len(first))]
    return [
        text
        for number, (one, shape) in enumerate(zip(value, shapes, strict=True))
        for text in misfits(one, shape, schemas, f"{at}[{number}]")
    ]


def _is(value: Any, expected: str | list[Any]) -> bool:
    if isinstance(expected, list):
        return value in expected
    if isinstance(value, bool):
        return expected == "boolean"
    return isinstance(value, _TYPES[expected])


def _of_object(
    value: dict[str, Any], schema: dict[str, Any], schemas: dict[str, Any], at: str
) -> list[str]:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", {})
    wrong = [f"{at}.{name}: missing" for name in schema.get("required", []) if name not in value]
    if known:
        wrong += [f"{at}.{name}: not documented" for name in value if name not in known]
    for name, one in value.items():
        its = known.get(name, others if isinstance(others, dict) else {})
        wrong += misfits(one, its, schemas, f"{at}.{name}")
    return wrong
