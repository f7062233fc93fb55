"""A matrix keypad without diodes, as a circuit: closed crossings join rows and columns, a low row pulls down all it is
joined to. Pins are open-drain outputs (rows) and inputs with pull-ups (columns)."""


class FakeRow:
    def __init__(self) -> None:
        self.level = 1

    def value(self, level: int) -> None:
        self.level = level


class FakeColumn:
    def __init__(self, matrix, number: int) -> None:
        self._matrix = matrix
        self._number = number

    def value(self) -> int:
        return 0 if self._matrix.is_low(self._number) else 1


class FakeMatrix:
    """`closed` holds the characters of the keys whose contacts are closed."""

    def __init__(self, keys: str = "123456789*0#", columns: int = 3) -> None:
        self.closed = set()
        self.rows = [FakeRow() for _ in range(len(keys) // columns)]
        self.columns = [FakeColumn(self, number) for number in range(columns)]
        self._keys = keys

    def is_low(self, column: int) -> bool:
        """Follows closed crossings from the column on, over other columns and rows."""
        columns, rows = {column}, set()
        while True:
            joined = set()
            for key in self.closed:
                row, over = divmod(self._keys.index(key), len(self.columns))
                if over in columns:
                    joined.add(row)
            if joined <= rows:
                return any([self.rows[row].level == 0 for row in rows])
            rows |= joined
            for key in self.closed:
                row, over = divmod(self._keys.index(key), len(self.columns))
                if row in rows:
                    columns.add(over)
