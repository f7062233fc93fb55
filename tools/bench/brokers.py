"""What a bad broker costs the person at the door: locks side by side in one run, key-to-strike times in real time.

Five locks have a broker that is healthy (TLS, with a collector that acknowledges), gone, black-holed (plain MQTT, so
that CONNECT gets no answer), resetting every second, or stuck in its TLS handshake; a sixth has no network. Every round
has a delivery at each of them, and the order changes from round to round, so that what else the machine does hits all
alike. Four of the pauses are so long that locks begin a handshake just when the next person comes.
"""

from statistics import median

from bench.figure import Figure
from soak.brokers import HEALTHY, side_by_side

_ROUNDS = 50
_MOST_TIMES = 1.2


def key_to_strike(rounds: int = _ROUNDS) -> list[Figure]:
    """Measures from the last key's going down to the strike pin, on the board's clock. Raises RuntimeError."""
    with side_by_side(has_reference=True) as street:
        street.deliver(rounds)
        medians = {lock.name: median(lock.latencies_ms) for lock in street.locks}
        retyped = sum(lock.retyped for lock in street.locks)
    readings = [Figure(f"last key to strike, broker {name}", value, "ms") for name, value in medians.items()]
    del medians["offline"]
    return [
        Figure(
            "worst of five brokers to the healthy one",
            max(medians.values()) / medians[HEALTHY.name],
            "times",
            _MOST_TIMES,
        ),
        *readings,
        Figure("codes typed again", retyped, f"of {rounds * (len(medians) + 1)}"),
    ]
