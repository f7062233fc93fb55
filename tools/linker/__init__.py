"""Makes of the lock's sources what lies on a board: few compiled files with short names in them."""

from linker.build import build_tree
from linker.explain import explain

__all__ = ["build_tree", "explain"]
