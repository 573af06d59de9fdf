"""What a file is, in words."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Description:
    """A file as ``hetgraph doctor`` describes it.

    Args:
        path: the file or folder.
        kind: what it is.
        facts: lines about its content.
        columns: name in the file, what it is read as with its unit, and what is in it.
        warnings: what its readers warn of.
        commands: what would use it.
    """

    path: Path
    kind: str
    facts: list[str] = field(default_factory=list)
    columns: list[tuple[str, str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    @contextmanager
    def noting(self, but: str | None = None) -> Iterator[None]:
        """Keep the warnings of what is read meanwhile, each once, without the name of the file.

        Args:
            but: beginning of those that are not kept.
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        for each in caught:
            text = str(each.message).removeprefix(f"{self.path}: ")
            known = text in self.warnings or (but is not None and text.startswith(but))
            if not known and issubclass(each.category, UserWarning):
                self.warnings.append(text)

    def lines(self) -> list[str]:
        """Lines of the report, columns aligned."""
        out = [f"{self.path}: {self.kind}", *(f"  {fact}" for fact in self.facts)]
        if self.columns:
            widths = [max(len(row[place]) for row in self.columns) for place in range(2)]
            out.append("  columns:")
            out += [
                f"    {name:{widths[0]}}  {meaning:{widths[1]}}  {content}".rstrip()
                for name, meaning, content in self.columns
            ]
        out += [f"  warning: {text}" for text in self.warnings]
        return [*out, *(f"  use: {command}" for command in self.commands)]


def plural(count: int, name: str) -> str:
    """A number and what it counts."""
    return f"{count} {name}" if count == 1 else f"{count} {name}s"
