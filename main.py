import gc

# What an import leaves behind is swept up soon, or the modules that stay end up with holes between them.
gc.threshold(8192)

from firmware.build import run  # noqa: E402

run()
