"""The contract of the control API: an OpenAPI 3.1 description, made of the table of its calls."""

from collections.abc import Iterable
from inspect import cleandoc
from typing import Any

import msgspec

from proxy.sandbox.control.call import Control
from proxy.sandbox.control.contract import Refused
from proxy.sandbox.wire.answers import Json

VERSION = "1.0"
"""The first number changes when a call or a field goes or gets another meaning."""

_ABOUT = (
    "Controls the simulated upstream of `virtualsms-proxy sandbox`: numbers, SMS, time, faults. "
    "Every call needs a Host and an Origin of this machine, see docs/sandbox.md."
)
_PARAMETERS = {
    "key": ("Only those of this API key.", {"type": "string"}),
    "call": ("Only those of this endpoint, such as purchase.", {"type": "string"}),
    "since": ("Only those since this time, in seconds since 1970.", {"type": "number"}),
}


def openapi(controls: Iterable[Control]) -> Json:
    controls = list(controls)
    named = (it for c in controls for it in (c.answer, c.schema or c.body) if it is not None)
    types = list(dict.fromkeys([Refused, *named]))
    found, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    for component in components.values():
        if text := component.get("description"):
            # Since Python 3.13 a docstring has no indent.
            component["description"] = cleandoc(text)
    schemas = dict(zip(types, found, strict=True))
    paths: dict[str, Json] = {}
    for control in controls:
        paths.setdefault(control.path, {})[control.method.lower()] = _operation(control, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Sandbox control API", "version": VERSION, "description": _ABOUT},
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(control: Control, schemas: dict[Any, Json]) -> Json:
    operation: Json = {
        "operationId": control.name,
        "summary": control.about,
        "responses": {
            "200": _content("What was found or done.", schemas[control.answer]),
            "400": _content("The call is wrong.", schemas[Refused]),
        },
    }
    if control.query:
        operation["parameters"] = [
            {"name": name, "in": "query", "description": about, "schema": schema}
            for name in control.query
            for about, schema in [_PARAMETERS[name]]
        ]
    if control.body is not None:
        body = _content("Any Content-Type will do.", schemas[control.schema or control.body])
        operation["requestBody"] = body
    return operation


def _content(about: str, schema: Json) -> Json:
    return {"description": about, "content": {"application/json": {"schema": schema}}}
