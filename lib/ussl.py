"""The name that umqtt.simple 1.3.4 knows `ssl` by; later versions, as in current firmware images, do not ask for it."""

from ssl import wrap_socket as wrap_socket
