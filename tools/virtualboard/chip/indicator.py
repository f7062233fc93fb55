"""What a person at the door sees and hears: an LED or a buzzer."""

from virtualboard.chip.output import Output


class Indicator(Output):
    """On while its pin is high. `history` is every change as (ms of board time, level)."""

    def flashes(self, since_ms: float = 0) -> list[float]:
        """How long (ms) each time was that it was on, for those that began at `since_ms` or later and have ended."""
        lengths = []
        for (start, level), (end, _) in zip(self.history, self.history[1:], strict=False):
            if level and start >= since_ms:
                lengths.append(end - start)
        return lengths
