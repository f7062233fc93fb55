"""The MQTT client over each version of umqtt.simple: the installed 1.3.4, a stand-in for 1.8, and one from elsewhere.

1.8 is only found frozen in firmware images. The stand-in is 1.3.4 with the calls that 1.8 makes on its socket. The
environment variable LOBBYLOCK_UMQTT may name a folder with the umqtt/simple.py of any version.
"""

import os
import socket
import sys

import umqtt.simple
from umqtt.simple import MQTTClient, MQTTException


class LaterClient(MQTTClient):
    """Closes an old socket, sets a time-out on the new one, writes parts of buffers, and tells what it received."""

    def connect(self, clean_session=True, timeout=None):
        if self.sock:
            self.sock.close()
        self.sock = socket.socket()
        self.sock.settimeout(timeout)
        self.sock.connect(socket.getaddrinfo(self.server, self.port)[0][-1])
        if self.ssl:
            self.sock = self.ssl.wrap_socket(self.sock, server_hostname=self.server)
        flags = clean_session << 1
        texts = [self.client_id]
        if self.lw_topic:
            flags |= 4 | self.lw_qos << 3 | self.lw_retain << 5
            texts += [self.lw_topic, self.lw_msg]
        if self.user:
            flags |= 0xC0
            texts += [self.user, self.pswd]
        self._write_head(0x10, 10 + sum([2 + len(text) for text in texts]))
        self.sock.write(b"\x00\x04MQTT\x04" + bytes([flags, self.keepalive >> 8, self.keepalive & 255]))
        for text in texts:
            self._send_str(text)
        answer = self.sock.read(4)
        assert answer[:2] == b"\x20\x02"
        if answer[3]:
            raise MQTTException(answer[3])
        return answer[2] & 1

    def _write_head(self, kind, size):
        head = bytearray(5)
        head[0] = kind
        at = 1
        while size > 127:
            head[at] = size & 127 | 128
            size >>= 7
            at += 1
        head[at] = size
        self.sock.write(head, at + 1)

    def subscribe(self, topic, qos=0):
        assert self.cb is not None
        self._write_head(0x82, 5 + len(topic))
        self.pid += 1
        number = bytearray(self.pid.to_bytes(2, "big") + b"xx")
        self.sock.write(number, 2)
        number[:2] = b"xx"
        self._send_str(topic)
        self.sock.write(bytes([qos]))
        while self.wait_msg() != 0x90:
            pass
        answer = self.sock.read(4)
        assert answer[1] << 8 | answer[2] == self.pid
        if answer[3] == 0x80:
            raise MQTTException(answer[3])

    def wait_msg(self):
        received = []
        receive = self.cb
        self.cb = lambda topic, message: received.append((topic, message))
        try:
            kind = super().wait_msg()
        finally:
            self.cb = receive
        for topic, message in received:
            receive(topic, message)
        return 0x30 if received else kind


def each_version():
    """Yields firmware.task.mqtt over each version in turn."""
    for base in (MQTTClient, LaterClient):
        umqtt.simple.MQTTClient = base
        yield _load()
    umqtt.simple.MQTTClient = MQTTClient
    folder = os.getenv("LOBBYLOCK_UMQTT")
    if folder:
        sys.path.insert(0, folder)
        for name in ("umqtt.simple", "umqtt"):
            del sys.modules[name]
        yield _load()


def _load():
    import firmware.task

    if sys.modules.pop("firmware.task.mqtt", None):
        del firmware.task.mqtt
    from firmware.task import mqtt

    return mqtt
