"""Which cells of a file are taken: those of a radio technology, of an operator, in a window; and what their loads are for."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from hetgraph.graph.csvfile import Row, Table


@dataclass(frozen=True)
class Selection:
    """Filters, an empty text takes all; and whether load counters are read.

    Args:
        radio: technology, as in the file's column ``radio``: GSM, UMTS, LTE, NR.
        operator: name, as in the column ``operator``, or country and network code such as ``262-01``.
        window: ``west,south,east,north`` in degrees, or ``x,y`` of the lower left and the upper right corner in m; a window whose
            west is greater than its east goes over the antimeridian.
        far_cells: cells around the window interfere, at the load of the file's column ``load``.
        start_load: cells have the load of that column at the start of an episode.
    """

    radio: str = ""
    operator: str = ""
    window: str = ""
    far_cells: bool = False
    start_load: bool = False

    @property
    def reads_load(self) -> bool:
        """Whether load counters are read."""
        return self.far_cells or self.start_load

    def of(self, table: Table) -> Table:
        """The rows of a file of cells that pass.

        Raises:
            ValueError: a filter whose column the file does not have, another form of window, or no row that passes.
        """
        return self.within(self._of_network(table), "cells")

    def within(self, table: Table, what: str) -> Table:
        """The rows in the window.

        Args:
            table: of cells or users.
            what: what rows are, for complaints.

        Raises:
            ValueError: another form of window, or no row in it.
        """
        return self._passing(table, "window", self.window, self._window, what)

    def around(self, table: Table) -> Table:
        """The rows of the same technology and operator outside the window; there may be none.

        Raises:
            ValueError: as in :meth:`of`, or no window.
        """
        if not self.window:
            raise ValueError(
                f"{table.header.path}: far_cells: got no window, expected one around which there are cells"
            )
        network = self._of_network(table)
        inside = self._window(network)
        return Table(table.header, [row for row in network.rows if not inside(row)])

    def _of_network(self, table: Table) -> Table:
        """The rows of the technology and of the operator."""
        table = self._passing(table, "radio", self.radio, self._radio, "cells")
        return self._passing(table, "operator", self.operator, self._operator, "cells")

    def _passing(
        self, table: Table, name: str, value: str, make: Callable[[Table], Callable[[Row], bool]], what: str
    ) -> Table:
        if not value:
            return table
        passes = make(table)
        kept = [row for row in table.rows if passes(row)]
        if not kept:
            expected = self._there(name, table.rows, what)
            raise ValueError(f"{table.header.path}: {name}: got {value!r}, expected {expected}")
        return Table(table.header, kept)

    @staticmethod
    def _there(name: str, rows: list[Row], what: str) -> str:
        if name == "window":
            return f"one with at least one of {len(rows)} {what} in it"
        count = Counter("-".join(row.cells[c] for c in _columns(name, row)) for row in rows)
        return "one of " + ", ".join(f"{value} ({number})" for value, number in count.most_common(10))

    def _radio(self, table: Table) -> Callable[[Row], bool]:
        _require(table, "radio", ("radio",))
        wanted = self.radio.casefold()
        return lambda row: row.cells["radio"].casefold() == wanted

    def _operator(self, table: Table) -> Callable[[Row], bool]:
        if "operator" in table:
            wanted = self.operator.casefold()
            return lambda row: row.cells["operator"].casefold() == wanted
        _require(table, "operator", ("mcc", "net"))
        codes = self.operator.split("-")
        if len(codes) != 2 or not all(code.isdecimal() for code in codes):
            raise ValueError(f"operator: got {self.operator!r}, expected country and network code such as 262-01")
        mcc, net = map(int, codes)
        return lambda row: (row.number_of("mcc"), row.number_of("net")) == (mcc, net)

    def _window(self, table: Table) -> Callable[[Row], bool]:
        try:
            west, south, east, north = map(float, self.window.split(","))
        except ValueError:
            raise ValueError(f"window: got {self.window!r}, expected west,south,east,north") from None
        over = table.is_globe and west > east
        if not south <= north or not (west <= east or over):
            raise ValueError(f"window: got {self.window!r}, expected west,south,east,north, the lesser ones first")

        def inside(row: Row) -> bool:
            if table.is_globe:
                y, x = table.globe_place(row)
            else:
                x, y = row.number_of("x"), row.number_of("y")
            across = (x >= west or x <= east) if over else west <= x <= east
            return across and south <= y <= north

        return inside


def _columns(name: str, row: Row) -> tuple[str, ...]:
    return (name,) if name in row.cells else ("mcc", "net")


def _require(table: Table, name: str, columns: tuple[str, ...]) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(f"{table.header.path}: {name}: got no column {missing[0]!r}, expected one to choose by")
