"""Names of buildings, doors and areas: 1 to 32 characters of a to z, 0 to 9 and -."""


def is_name(value) -> bool:
    """Whether `value`, of any type, is such a name."""
    if not isinstance(value, str) or not 1 <= len(value) <= 32:
        return False
    for character in value:
        if character not in "abcdefghijklmnopqrstuvwxyz0123456789-":
            return False
    return True
