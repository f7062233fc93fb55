"""What the board's `bluetooth` module asks for; the same numbers are in port/bluetooth.py."""

# All but the last are asked and get (errno, data).
ACTIVE = 0  # value = 1 on, 0 off
ADVERTISE = 1  # value = interval in us << 1 | connectable, -1 ends it; data: length and bytes twice, 255 = as before
SERVICES = 2  # data: rows of kind (0 service, 1 characteristic, 2 descriptor), flags (2), length, UUID; gives handles
NOTIFY = 3  # value = connection | handle << 16; data
INDICATE = 4  # the same
DISCONNECT = 5  # value = connection
MTU = 6  # value = the largest that is agreed to
NAME = 7  # data
ADDRESS = 8  # value = kind of address
MAC = 9  # gives kind and six bytes, highest first
CHANGED = 10  # value = handle; data: to be told to who has subscribed
DONE = 11  # value = why a read is refused, or 0; data: what was read
