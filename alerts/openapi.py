"""The OpenAPI document: every status that is answered, and the shapes that msgspec writes."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI

from alerts.openapi_shapes import ANSWERS, BODIES, PROBLEM_TYPE, REFUSALS, TEXTS, Problem

_JSON = "application/json"
_REFERENCE = "#/components/schemas/{name}"
_TEXT = {"type": "string"}
_WHY = {
    400: "the body can't be read",
    401: "the token is missing or wrong",
    403: "without a token only this machine may",
    404: "there is none",
    409: "not as things stand now",
    413: "the body is too long",
    422: "not understood; the detail names the field",
    429: "too often; Retry-After says when again",
    503: "the state can't be read or written at the moment",
}
# What FastAPI would answer itself; here it is problem JSON.
_FOREIGN = ("HTTPValidationError", "ValidationError")


def describe(app: FastAPI) -> None:
    """Make the OpenAPI document say what is answered."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        document = original()
        _add_shapes(document)
        _add_texts(document)
        for path, verbs in document["paths"].items():
            for verb, operation in verbs.items():
                _add_refusals(operation, path, verb)
        for name in _FOREIGN:
            document["components"]["schemas"].pop(name, None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation does it


def _add_shapes(document: dict[str, Any]) -> None:
    """Put in what is read and written as JSON by msgspec."""
    paths = document["paths"]
    answers = [entry for entry in ANSWERS if entry[0] in paths]
    bodies = [entry for entry in BODIES if entry[0] in paths]
    wanted = [entry[-1] for entry in (*answers, *bodies)]
    shapes, components = msgspec.json.schema_components([*wanted, Problem], ref_template=_REFERENCE)
    document.setdefault("components", {}).setdefault("schemas", {}).update(components)
    for (path, verb, status, _), shape in zip(answers, shapes, strict=False):
        answer = paths[path][verb]["responses"].setdefault(
            str(status), {"description": _WHY.get(status, "")}
        )
        answer["content"] = {_JSON: {"schema": shape}}
    for (path, media, _), shape in zip(bodies, shapes[len(answers) :], strict=False):
        content = {kind: {"schema": shape} for kind in media}
        paths[path]["post"]["requestBody"] = {"content": content, "required": True}


def _add_texts(document: dict[str, Any]) -> None:
    """Put in what is answered in another language than JSON."""
    for path, verb, status, media in TEXTS:
        if path in document["paths"]:
            answers = document["paths"][path][verb]["responses"]
            answer = answers.setdefault(str(status), {"description": _WHY.get(status, "")})
            answer["content"] = {media: {"schema": _TEXT}}


def _add_refusals(operation: dict[str, Any], path: str, verb: str) -> None:
    """Put in every refusal that one operation knows."""
    places = {parameter["in"] for parameter in operation.get("parameters", ())}
    guarded = "security" in operation
    known = {503, *REFUSALS.get((path, verb), ())}
    known |= {422} if places or "requestBody" in operation else set()
    known |= {400, 413} if "requestBody" in operation else set()
    known |= {404} if "path" in places else set()
    known |= {401, 403} if guarded else set()
    known |= {409} if guarded and verb == "post" else set()
    answers = operation["responses"]
    for status in sorted(known):
        answer = answers.get(str(status), {})
        others = answer.get("content", {}) if status != 422 or path == "/api/v1/cap" else {}
        content = others | {PROBLEM_TYPE: {"schema": {"$ref": _REFERENCE.format(name="Problem")}}}
        answers[str(status)] = {"description": _WHY[status], "content": content}
