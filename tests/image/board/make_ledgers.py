"""Run by MicroPython: writes the ledger of locks of several ages, by the lock's own code.

Arguments: a folder, and how many values each lock has written down, ascending.
"""

import sys

from fake_flash import FakeFlash

from firmware.store import ledger as store

flash = FakeFlash(16)
ledger = store.Ledger(flash)
ledger.put(store.IDENTITY, bytes(32))
written = 0
for age in sys.argv[2:]:
    while written < int(age):
        written += 1
        ledger.put_integer(store.BOOT_COUNT, written)
    with open(sys.argv[1] + "/" + age, "wb") as file:
        for sector in flash.data:
            file.write(sector)
