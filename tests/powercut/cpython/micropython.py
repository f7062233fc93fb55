"""What the stores import from MicroPython, for CPython: constants stay variables, viper code is plain Python."""

import builtins

# Stands in annotations of viper code, which CPython looks at.
builtins.ptr8 = memoryview  # type: ignore[attr-defined]


def const(value):
    return value


def viper(function):
    return function
