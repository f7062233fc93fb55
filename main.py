from firmware.build import run

run()
