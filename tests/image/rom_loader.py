"""A chip's ROM loader behind a socket, with its flash: esp32-mock-bootloader, whose flash can be seen and set.

Arguments: the kind of chip, and a file for the number of the port. Lines on standard input, each answered by one:
"save PATH" writes down what the flash holds, "load PATH" makes it hold that. It ends with its input.
"""

import os
import sys
import threading

from esp32_mock_bootloader import registers, server

# Where a C3 says of which revision it is, and 0.4 as it says it: official images want 0.3, the mock has none.
_C3_REVISION = 0x60008844 + 12
_REVISION = 4 << 18

_read_value = registers.read_reg_value


def read_value(chip, address):
    return _REVISION if (chip, address) == ("esp32c3", _C3_REVISION) else _read_value(chip, address)


def receive(connection, stop, buffer):
    """Returns the next acknowledgement. The mock's own gives up on a machine that is busy for 50 ms."""
    while not stop.is_set():
        payload = server._consume_slip_frame(buffer)
        if payload is not None:
            return payload
        try:
            data = connection.recv(4096)
        except TimeoutError:
            continue
        if not data:
            return None
        buffer.extend(data)
    return None


def obey(answers):
    for line in sys.stdin:
        verb, path = line.split()
        flash = server.get_flash_image().data
        if verb == "save":
            with open(path, "wb") as file:
                file.write(flash)
        else:
            with open(path, "rb") as file:
                flash[:] = file.read()
        print("done", file=answers, flush=True)
    os._exit(0)


if __name__ == "__main__":
    registers.read_reg_value = read_value
    server._recv_slip_payload = receive
    # Nor does it hang up 3 s after the last byte, before a busy machine has asked for the checksum.
    server._FLASH_END_IDLE_SEC = 600
    threading.Thread(target=obey, args=(sys.stdout,), daemon=True).start()
    # What the mock prints is not for whoever reads the answers.
    sys.stdout = open(os.devnull, "w")
    server.run_server(0, chip_mode=sys.argv[1], port_file=sys.argv[2])
