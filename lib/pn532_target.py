"""Cards that a PN532 has found and activated: what its answer to InListPassiveTarget says of them."""


class Target:
    """A card, active up to the next `find` or `release`. Takes APDUs if `is_isodep`, else a Type 2 tag's commands."""

    def __init__(self, number: int, uid: bytes, sak: int, atqa: int) -> None:
        self.number = number
        self.uid = uid
        self.sak = sak
        self.atqa = atqa
        self.is_isodep = bool(sak & 0x20)


def parse(answer: memoryview) -> list:
    """Returns the cards in an answer to InListPassiveTarget, section 7.3.5. Raises IndexError.

    The length in front of an answer to select is the card's own word, so a wrong one costs the cards behind it at most.
    """
    targets = []
    at = 1
    for _ in range(answer[0]):
        end = at + 5 + answer[at + 4]
        sak = answer[at + 3]
        targets.append(Target(answer[at], bytes(answer[at + 5 : end]), sak, answer[at + 1] << 8 | answer[at + 2]))
        if end > len(answer):
            raise IndexError
        at = end
        if sak & 0x20:
            # An ISO-DEP card's answer to select follows, its length first.
            at = end + max(1, answer[end]) if end < len(answer) else end
            if at > len(answer):
                break
    if len(targets) > 2:
        raise IndexError
    return targets
