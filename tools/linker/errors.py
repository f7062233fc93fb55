"""What the linker refuses."""


class NotLinkable(Exception):
    """A source does something that renaming or merging would break; says where and what."""


class CompileError(Exception):
    """mpy-cross does not take a file: its words."""
