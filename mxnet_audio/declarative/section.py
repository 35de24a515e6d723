"""Sections of a configuration: unknown and refused keys, types by name, and errors with the path of a key."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_before_validator_function

from mxnet_audio.checks import nearest, shown
from mxnet_audio.errors import AudioError, ParameterError
from mxnet_audio.features.messages import wrong_value

__all__ = [
    "COMPUTED",
    "Count",
    "Dropout",
    "Dropped",
    "Layers",
    "NoFlag",
    "NonNegative",
    "Positive",
    "PositiveCount",
    "Refused",
    "Replaced",
    "Section",
    "Share",
    "Size",
    "Text",
    "TypeChoice",
    "Unsupported",
    "key_text",
    "or_nothing",
    "problem",
    "refuse_values",
    "validated",
]

SectionType = TypeVar("SectionType", bound=BaseModel)
_FEATURE_REASON = re.compile(r"(?:feature configuration: )?(?:(?P<key>\w+): )?(?P<reason>.*)", re.DOTALL)


def problem(key: str, reason: str) -> PydanticCustomError:
    """Return an error of a validator that names a key, relative to the section that the validator belongs to."""
    return PydanticCustomError("problem", "{reason}", {"key": key, "reason": reason})


def key_text(key: object) -> str:
    """Return a key of a mapping, which should be text, as text."""
    return key if isinstance(key, str) else shown(key)


def _no_flag(value: Any) -> Any:
    if isinstance(value, bool):  # which Python counts as a number
        raise PydanticCustomError("number", "must be a number")
    return value


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


NoFlag = BeforeValidator(_no_flag)
Text = Annotated[str, BeforeValidator(_as_text)]  # a value of a column, which YAML may take for a number


@dataclass(frozen=True, eq=False)  # annotations are hashed
class Replaced:
    """Annotation that replaces one value of a file by another, and adds it to the JSON schema."""

    given: Any
    by: Any

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of the key, after the replacement."""
        return no_info_before_validator_function(self.replace, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the JSON schema of the key, or the value that is replaced."""
        return {"anyOf": [handler(schema), {"const": self.given}]}

    def replace(self, value: Any) -> Any:
        """Return the value, or what replaces it."""
        return self.by if isinstance(value, type(self.given)) and value == self.given else value


or_nothing = Replaced(None, {})  # an empty section of a file is null: all its keys have their defaults
_MOST = 2**31 - 1
Count = Annotated[int, Field(ge=0, le=_MOST), NoFlag]
PositiveCount = Annotated[int, Field(ge=1, le=_MOST), NoFlag]
Size = Annotated[int, Field(ge=1, le=65536), NoFlag]  # of a layer: larger ones would not fit in memory
Layers = Annotated[int, Field(ge=0, le=256), NoFlag]
Share = Annotated[float, Field(ge=0, le=1), NoFlag]
Dropout = Annotated[float, Field(ge=0, lt=1), NoFlag]
NonNegative = Annotated[float, Field(ge=0), NoFlag]
Positive = Annotated[float, Field(gt=0), NoFlag]


@dataclass(frozen=True)
class Refused:
    """Key of Ludwig that is not supported, unless it has the value with which it does nothing.

    Parameters
    ----------
    reason : str
        Reason, and the key or value to use instead.
    values : tuple
        Values that are accepted: Ludwig's default, with which Ludwig writes out its configurations.
    """

    reason: str
    values: tuple[Any, ...] = ()

    def accepts(self, value: Any) -> bool:
        """Return True if the key does nothing with this value."""
        return value in self.values


@dataclass(frozen=True)
class Dropped(Refused):
    """Key of Ludwig that is accepted with any value, and has no effect, nor has it in Ludwig."""

    def accepts(self, value: Any) -> bool:
        """Return True."""
        return True


COMPUTED = Dropped("Ludwig computes it")
Unsupported: TypeAlias = Mapping[str, Refused]


class Section(BaseModel):
    """Part of a configuration. Immutable; the names and defaults are Ludwig's.

    Attributes
    ----------
    UNSUPPORTED : mapping of str to Refused
        Other keys that Ludwig has here.
    HINTS : mapping of str to str
        What to use in place of names that are no keys here, but common elsewhere.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=(), use_attribute_docstrings=True
    )
    UNSUPPORTED: ClassVar[Unsupported] = {}
    HINTS: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, data: Any) -> Any:
        """Refuse the keys that are not supported, and drop those that do nothing."""
        if not isinstance(data, Mapping):
            return data
        for key, value in data.items():
            if key in cls.UNSUPPORTED and not cls.UNSUPPORTED[key].accepts(value):
                raise problem(key, f"not supported: {cls.UNSUPPORTED[key].reason}")
            if key not in cls.model_fields and key not in cls.UNSUPPORTED:
                hint = (
                    f", {cls.HINTS[key]}" if key in cls.HINTS else nearest(key, [*cls.model_fields, *cls.UNSUPPORTED])
                )
                raise problem(key_text(key), f"unknown key{hint or ', the keys are ' + ', '.join(cls.model_fields)}")
        return {key: value for key, value in data.items() if key not in cls.UNSUPPORTED}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the JSON schema with the keys that are not supported, each with the reason."""
        document = handler(schema)
        properties = handler.resolve_ref_schema(document)["properties"]
        for key, refused in cls.UNSUPPORTED.items():
            allowed: dict[str, Any] = {"enum": list(refused.values)} if refused.values else {"not": {}}
            if isinstance(refused, Dropped):
                allowed = {}
            properties[key] = {"description": f"Not supported: {refused.reason}.", **allowed}
        return document


@dataclass(frozen=True, eq=False)  # annotations are hashed
class TypeChoice:
    """Annotation of sections that differ by their ``type``.

    It adds the default type to a mapping without one, and makes a mapping of a name alone, or of nothing.

    Parameters
    ----------
    default : str or None
        Type if none is given; None if there must be one.
    types : sequence of str
        Types that exist.
    refused : mapping of str to str
        Types of Ludwig that are not supported, and the reason.
    """

    default: str | None
    types: Sequence[str]
    refused: Mapping[str, str] = field(default_factory=dict)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the section's own schema, after `validate`."""
        return no_info_before_validator_function(self.validate, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the section's own JSON schema, or the name of its type alone, or null."""
        document = handler(schema)
        if self.default is None:
            return document
        sections = document.get("oneOf", [document])  # without a type, several would match
        return {"anyOf": [*sections, {"enum": [*self.types, None]}]}

    def validate(self, value: Any) -> Any:
        """Return a section as a mapping with its type."""
        if value is None:
            value = {}
        if isinstance(value, str):
            value = {"type": value}
        if not isinstance(value, Mapping):
            return value
        if "type" not in value and self.default is not None:
            return {"type": self.default, **value}
        given, choices = value.get("type"), ", ".join(map(repr, self.types))
        if "type" not in value:
            raise problem("type", f"missing, must be one of {choices}")
        if isinstance(given, str) and given in self.refused:
            raise problem("type", f"{given!r} is not supported: {self.refused[given]}")
        if not (isinstance(given, str) and given in self.types):
            close = nearest(given, self.types)
            raise problem("type", f"unknown type {shown(given)}{close or f', must be one of {choices}'}")
        return value


def refuse_values(values: Mapping[str, str]) -> BeforeValidator:
    """Return a validator that refuses values of Ludwig that are not supported, with the reason of each."""

    def validate(value: Any) -> Any:
        if isinstance(value, str) and value in values:
            raise PydanticCustomError("refused", "{reason}", {"reason": f"{value!r} is not supported: {values[value]}"})
        return value

    return BeforeValidator(validate)


def validated(make: Callable[[], SectionType], data: Any, path: str | os.PathLike | None = None) -> SectionType:
    """Return a configuration, or raise one error that names each key that is wrong.

    Parameters
    ----------
    make : callable
        Makes the configuration.
    data : object
        Content of the file, to find the path of a key in it.
    path : str or os.PathLike, optional
        The file.

    Raises
    ------
    ParameterError
        If the configuration is wrong.
    """
    try:
        return make()
    except ValidationError as error:
        lines = dict.fromkeys(_line(details, data) for details in error.errors(include_url=False))
        raise ParameterError("\n".join(lines), path) from None


def _line(details: Any, data: Any) -> str:
    """Return one of pydantic's errors as a line: the path of the key, and what is wrong."""
    context = details.get("ctx", {})
    place = _place(details["loc"], data, details["type"] == "missing")
    reason, key = details["msg"], context.get("key")
    if isinstance(cause := context.get("error"), AudioError):  # of the feature configuration
        match = _FEATURE_REASON.fullmatch(cause.reason)
        key, reason = (match["key"], match["reason"]) if match else (None, cause.reason)
    elif details["type"] == "missing":
        reason = "missing"
    elif key is None and details["type"] != "refused":
        reason = wrong_value(details)
    place = f"{place}.{key}" if place and key else place or key or ""
    return f"{place}: {reason}" if place else reason


def _place(loc: Sequence[int | str], data: Any, is_missing: bool) -> str:
    """Return the path of a key from pydantic's, which also has the types of sections in it."""
    text = ""
    for number, part in enumerate(loc):
        last = is_missing and number == len(loc) - 1
        if isinstance(part, int):
            text += f"[{part}]"
            data = data[part] if isinstance(data, list | tuple) and part < len(data) else None
        elif last or (isinstance(data, Mapping) and part in data):
            text += f".{part}" if text else part
            data = data.get(part) if isinstance(data, Mapping) else None
    return text
