"""Commands built when they are asked for, and help in sections: what a command with sixty options needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from typer.core import TyperCommand, TyperGroup


class LazyCommands(Mapping[str, Any]):
    """The commands of a group by name. `names` and `build` are called late, so that other commands do not pay for these."""

    def __init__(self, names: Callable[[], Iterable[str]], build: Callable[[str], Any]) -> None:
        self.when_built: Callable[[str, Any], None] = lambda name, command: None
        self._names, self._build = names, build
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            if name not in self._names():
                raise KeyError(name)
            self._built[name] = self._build(name)
            self.when_built(name, self._built[name])
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(list(self._names()))


def lazy_group(names: Callable[[], Iterable[str]], build: Callable[[str], Any]) -> type[TyperGroup]:
    """Return the class of a group whose commands are `build(name)` for each of `names()`, for `typer.Typer(cls=…)`."""

    class LazyGroup(TyperGroup):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.commands: Any = LazyCommands(names, build)

    return LazyGroup


class SectionedCommand(TyperCommand):
    """A command whose plain help has a section for each `rich_help_panel` of its options; those without one come first."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections in the order of their first options."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record:
                sections.setdefault(getattr(parameter, "rich_help_panel", None) or "Options", []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)
