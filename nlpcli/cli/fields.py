"""Options from a settings class: name, type, bounds, default and help stand in its fields and are said nowhere else."""

from __future__ import annotations

from inspect import Parameter
from types import NoneType, UnionType
from typing import Annotated, Any, List, Literal, Optional, Union, get_args, get_origin

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo

from nlpcli.cli import options as opt


def parameters(cls: type[msgspec.Struct], flags: dict[str, str], sections: dict[str, str]) -> list[Parameter]:
    """Make one command parameter of every field of `cls`, in its order.

    Args:
        flags: field name → what to write on the command line, where it is not `--field-name` (`--x/--no-x` for a switch).
        sections: field name → heading in the help of this field and those after it.
    """
    made, section = [], ""
    for field in msgspec.structs.fields(cls):
        section = sections.get(field.name, section)
        made.append(_parameter(field, flags.get(field.name, ""), section))
    return made


def _parameter(field: FieldInfo, flag: str, section: str) -> Parameter:
    kind, metas = _bare(field.type)
    word = field.name.replace("_", "-")
    flag = flag or (f"--{word}/--no-{word}" if kind is bool else f"--{word}")
    low, high, beyond = _bounds(kind, metas)
    said = " ".join(m.description for m in metas if m.description)
    text = " ".join([said, *(f"{bound}." for bound in beyond if bound.lower() not in said.lower())])
    option = opt.option(flag, help=text, min=low, max=high, rich_help_panel=section)
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    annotation: Any = Annotated[kind, option]
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _bare(hint: Any) -> tuple[Any, list[Meta]]:
    """Return a type as the parser takes it, and what stands around it: bounds of the value or of each item, and its help."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        kind, metas = _bare(inner[0])
        return kind, [*metas, *inner[1:]]
    if origin in (Union, UnionType):
        if any(get_origin(part) is Literal for part in inner):
            return str, []  # a number or a word: `checked` knows which
        (some,) = (part for part in inner if part is not NoneType)
        kind, metas = _bare(some)
        return Optional[kind], metas
    if origin is tuple:
        kind, metas = _bare(inner[0])
        return List[kind], metas  # type: ignore[valid-type]
    return hint, []


def _bounds(kind: Any, metas: list[Meta]) -> tuple[Any, Any, list[str]]:
    """Return the lowest and highest value for the parser, and in words the bounds that it does not know: those of real
    numbers that may not be reached. They are kept by `nlpcli.config.checked`."""
    low = next((m.ge for m in metas if m.ge is not None), None)
    high = next((m.le for m in metas if m.le is not None), None)
    above = next((m.gt for m in metas if m.gt is not None), None)
    below = next((m.lt for m in metas if m.lt is not None), None)
    if int in (kind, *get_args(kind)):
        return (low if above is None else above + 1), (high if below is None else below - 1), []
    beyond = [f"{words} {bound}" for words, bound in (("More than", above), ("Less than", below)) if bound is not None]
    return low, high, beyond
