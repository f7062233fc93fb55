"""What a mechanical contact does before it rests."""

from random import Random


def bounce(random: Random, longest_us: int) -> list[int]:
    """Returns the moments (us, ascending, the first 0) of an odd number of toggles; the last one stays."""
    if longest_us < 2:
        return [0]
    count = 2 * random.randint(0, 4)
    return [0, *sorted(random.sample(range(1, longest_us), min(count, (longest_us - 1) // 2 * 2)))]
