"""The one name of `typing` that board code reads at run time.

Everything else is imported under `if TYPE_CHECKING:`, which costs the board nothing.
"""

TYPE_CHECKING = False
