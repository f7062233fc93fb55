"""The electric strike: released at one level of its pin. A resistor keeps it at rest when nobody drives the pin."""

from virtualboard.chip.output import Output


class Strike(Output):
    """`on` is the level that releases. `history` is every change, 1 for released, whether a pin or the RMT made it."""

    def __init__(self, gpio: int = 26, on: int = 1) -> None:
        super().__init__(gpio, on)

    @property
    def is_released(self) -> bool:
        """Whether the door can be pulled open now."""
        return self.is_on

    @property
    def pulses(self) -> list[tuple[float, float | None]]:
        """Every release as (from, to) in ms of board time; None for one that is still going on."""
        starts = [at for at, level in self.history if level]
        ends: list[float | None] = [at for at, level in self.history if not level]
        return list(zip(starts, [*ends, None], strict=False))
