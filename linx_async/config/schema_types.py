"""JSON Schema of what a constructor takes, from its annotations and its docstring."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import (
    Any,
    Final,
    ForwardRef,
    Literal,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from .entries import Shape

__all__ = [
    "Schema",
    "any_of",
    "closed",
    "described",
    "entry_of",
    "of_argument",
    "of_type",
    "table_of",
]

Schema: TypeAlias = dict[str, Any]
"""A JSON Schema, draft 7, which is what editors of TOML know."""

_SCALARS: Final[Mapping[Any, Schema]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    Any: {},
}
_ARGUMENT: Final = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
_BLANK: Final = re.compile(r"\s+")


def any_of(*schemas: Schema) -> Schema:
    """What one of several takes."""
    several = [each for n, each in enumerate(schemas) if each not in schemas[:n]]
    return several[0] if len(several) == 1 else {"anyOf": several}


def closed(properties: Mapping[str, Schema], required: Collection[str] = ()) -> Schema:
    """A table that has these keys, and no others."""
    needs: Schema = {"required": sorted(required)} if required else {}
    return {
        "type": "object",
        "properties": dict(properties),
        **needs,
        "additionalProperties": False,
    }


def of_type(annotation: Any) -> Schema:
    """What TOML writes for a value of that type; what it has no form for is left out of unions."""
    if annotation in _SCALARS:
        return dict(_SCALARS[annotation])
    if isinstance(annotation, str | ForwardRef):  # within an alias of a union: it may be anything
        return {}
    form, inner = get_origin(annotation), get_args(annotation)
    if form in (Union, types.UnionType):
        return any_of(*(of_type(each) for each in inner if _has_form(each)))
    if form is Literal:
        return {"enum": list(inner)}
    if form is tuple and Ellipsis not in inner:
        return {"type": "array", "items": [of_type(each) for each in inner]} | _exactly(len(inner))
    if isinstance(form, type) and issubclass(form, Mapping):
        return {"type": "object", "additionalProperties": of_type(inner[1])}
    if isinstance(form, type) and issubclass(form, Iterable):
        return {"type": "array", "items": of_type(inner[0])}
    raise TypeError(f"{annotation}: TOML has no form for it")


def _exactly(number: int) -> Schema:
    return {"minItems": number, "maxItems": number}


def _has_form(annotation: Any) -> bool:
    try:
        of_type(annotation)
    except TypeError:
        return False
    return True


def of_argument(function: Callable[..., Any], name: str) -> Schema:
    """What an argument may be, with its default and what its docstring says of it."""
    called = function.__init__ if inspect.isclass(function) else function
    schema = of_type(get_type_hints(called)[name])
    default = inspect.signature(function).parameters[name].default
    if isinstance(default, bool | int | float | str) and default != "":
        schema["default"] = default
    return described(schema, _arguments(function).get(name, ""))


def described(schema: Schema, text: str) -> Schema:
    """It with a description, which editors show."""
    return {**schema, "description": _BLANK.sub(" ", text).strip()} if text else schema


def _arguments(function: Callable[..., Any]) -> dict[str, str]:
    """What the docstring says of each argument."""
    return dict(_ARGUMENT.findall(inspect.getdoc(function) or ""))


def table_of(
    shape: Shape, given: Collection[str] = (), more: Mapping[str, Schema] | None = None
) -> Schema:
    """A table of the file, as `Shape.of_table` reads it.

    Args:
        shape: What it may say.
        given: The fields that are known from where it stands.
        more: What else may be in it.
    """
    fields = [name for name in shape.fields if name not in given]
    properties = {name: _field(shape, name) for name in fields}
    required = [name for name in fields if shape.needs(name)]
    return closed({**properties, **(more or {})}, required)


def entry_of(shape: Shape, given: Collection[str] = ()) -> Schema:
    """An entry of a list, as `Shape.of_entry` reads it: a table, an array, or the first field."""
    first = [name for name in shape.positional if name not in given]
    least = sum(shape.needs(name) for name in first)
    schemas: Sequence[Schema] = [_field(shape, name) for name in first]
    array: Schema = {
        "type": "array",
        "items": [*schemas],
        "additionalItems": False,
        "minItems": least,
    }
    forms = [table_of(shape, given), array]
    if least < 2 and schemas and _takes_text(schemas[0]):
        forms.append({"type": "string"})
    return any_of(*forms)


def _takes_text(schema: Schema) -> bool:
    return schema.get("type") == "string" or any(map(_takes_text, schema.get("anyOf", ())))


def _field(shape: Shape, name: str) -> Schema:
    if name not in shape.nested:
        return of_argument(shape.kind, name)
    words = _arguments(shape.kind).get(name, "")
    return described({"type": "array", "items": entry_of(shape.nested[name])}, words)
