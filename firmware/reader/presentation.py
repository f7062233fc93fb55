"""What a reader hands on: something that was shown at the door, before anybody knows whether it is worth anything."""

# What kind of thing was shown.
CODE = 1
TWO_KEYS = 2


class Presentation:
    """`digits` as typed; for a code that was too long only its first digits, and `is_too_long` is set."""

    def __init__(self, kind: int, digits: str = "", is_too_long: bool = False) -> None:
        self.kind = kind
        self.digits = digits
        self.is_too_long = is_too_long
