import gc
import sys
import time

import micropython

# No key on the serial line stops what follows.
micropython.kbd_intr(-1)

# What an import leaves behind is swept up soon, or the modules that stay end up with holes between them.
gc.threshold(8192)

try:
    from firmware.build import run

    run()
except BaseException as error:  # noqa: BLE001 - files that are missing or damaged must not lead to a prompt
    sys.print_exception(error)
    time.sleep_ms(10_000)
    # Starts again, at boot.py.
    sys.exit()
