"""What a reader hands on: something that was shown at the door, before anybody knows whether it is worth anything."""

# What kind of thing was shown.
CODE = 1
TWO_KEYS = 2
BADGE = 3
PHONE = 4
# Something that can be nothing: `reason` says why.
NOTHING = 5


class Presentation:
    """Of a CODE, `digits` as typed; if it was too long only its first digits, and `is_too_long` is set.

    Of a card or phone, `via` and `reason` are numbers of core.event; `credential` are the bytes as they were read,
    unchecked; `session` is the PhoneSession of a PHONE.
    """

    def __init__(
        self, kind: int, digits: str = "", is_too_long: bool = False, via=1, credential=b"", session=None, reason=0
    ) -> None:
        self.kind = kind
        self.digits = digits
        self.is_too_long = is_too_long
        self.via = via
        self.credential = credential
        self.session = session
        self.reason = reason
