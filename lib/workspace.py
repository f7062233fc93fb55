"""Memory for computations that need 2.5 KB in one piece, kept from the first use on.

A heap that has been in use for months still has that much free, but perhaps not in one piece; and what is not allocated
is no garbage either. There is one borrower at a time: what is in it is good until anybody borrows again.
"""

import micropython
from micropython import const

_BYTES = const(2_560)
_kept = []


def borrow(size: int) -> bytearray:
    """Returns at least `size` bytes, all of them zero. Raises ValueError for more than 2,560."""
    if size > _BYTES:
        raise ValueError("more than there is")
    if not _kept:
        # A bytearray starts at the heap's own alignment.
        _kept.append(bytearray(_BYTES))
    memory = _kept[0]
    _clear(memory, (size + 31) // 32)
    return memory


@micropython.viper
def _clear(words: ptr32, times: int):
    """Makes eight words zero, so many times."""
    while times:
        words[0] = 0
        words[1] = 0
        words[2] = 0
        words[3] = 0
        words[4] = 0
        words[5] = 0
        words[6] = 0
        words[7] = 0
        words = ptr32(int(words) + 32)
        times -= 1
