"""Where in a table's row the text stands, and where its translation goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nlpcli.corpus.columns import numbered
from nlpcli.decoding.formats.base import Options, chosen_column
from nlpcli.errors import UsageError


@dataclass(frozen=True)
class Columns:
    """Places in a row, from 0: of the source, and of the translation, which is a new last one if it is `width` of the row.

    `width` is the number of cells in every row; None without a header, where rows may differ. `into` names a new column.
    """

    source: int
    target: int
    width: int | None = None
    into: str = ""

    @classmethod
    def by_number(cls, options: Options) -> Columns:
        """Take the columns of a table without a header.

        Raises:
            UsageError: the column for the translation is not given by number.
        """
        assert options.column
        into = options.into or options.column
        if not numbered(into):
            raise UsageError(
                f"--into {into} is a name, and --column {options.column} a number",
                cause="a column given by its number means that the table has no header, so a new column can have no name",
                fix="give --column by its name, or --into as the number of the column",
            )
        return cls(int(options.column) - 1, int(into) - 1)

    @classmethod
    def by_name(cls, path: Path, header: list[str], options: Options) -> Columns:
        """Find the columns in a header.

        Raises:
            UsageError: no such column, or two of this name.
        """
        column = chosen_column(path, header, options)
        for name in (column, options.into):
            if name and header.count(name) > 1:
                raise UsageError(
                    f"{path} has {header.count(name)} columns called {name}",
                    fix="rename one, or remove the header and give --column by its number",
                )
        into = options.into or column
        target = header.index(into) if into in header else len(header)
        return cls(header.index(column), target, len(header), into)

    def header(self, cells: list[str]) -> list[str]:
        """Return the header of the output."""
        return cells if self.target < len(cells) else [*cells, self.into]

    def problem(self, cells: list[str]) -> str:
        """Say what is wrong with a row; nothing if all is well."""
        if self.width is not None and len(cells) != self.width:
            return f"has {len(cells)} columns, the header {self.width}"
        needed = max(self.source + 1, self.target)  # the target may be new
        return f"has {len(cells)} columns, not {needed}" if len(cells) < needed else ""

    def put(self, cells: list[str], translation: str) -> list[str]:
        """Return the row with the translation in its place."""
        return [*cells[: self.target], translation, *cells[self.target + 1 :]]
