"""A list that the file system has no room for."""

import os

import vfs
from news_case import Case, Console, bring, enter_folder, make_ids, make_list, send

from firmware.console import news as console_news
from firmware.console.request import Refusal
from firmware.core import event


class _Disk:
    """A file system of `blocks` times 512 bytes in memory."""

    def __init__(self, blocks):
        self._data = bytearray(512 * blocks)

    def readblocks(self, block, buffer, offset=0):
        at = 512 * block + offset
        buffer[:] = self._data[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=None):
        at = 512 * block + (offset or 0)
        self._data[at : at + len(buffer)] = buffer

    def ioctl(self, operation, argument):
        if operation == 4:
            return len(self._data) // 512
        return 512 if operation == 5 else 0


def test_a_list_that_there_is_no_room_for_leaves_an_event():
    enter_folder("/tmp/lobbylock-news-room")
    case = Case()
    disk = _Disk(12)
    vfs.VfsLfs2.mkfs(disk)
    vfs.mount(vfs.VfsLfs2(disk), "/full")
    os.chdir("/full")
    with open("photo", "wb") as file:
        for _ in range(6):
            file.write(bytes(512))
    data = make_list(3, make_ids(200))
    for _ in range(2):
        bring(case.news, data, 3)
        assert case.news.version == 0 and case.news.coming is None
    refused = (event.LIST_REFUSED, {event.REASON: event.NO_ROOM, event.NAME: "phone"})
    assert case.trail.events == [refused]
    upload = console_news.begin(Console(case.news), len(data))
    try:
        send(upload, data)
        raise AssertionError("there was room")
    except Refusal as refusal:
        assert refusal.args[0] == "flash"
    upload.close()
    # What there is of it stays, and once there is room the rest comes.
    os.remove("photo")
    carrier = bring(case.news, data, 3)
    assert case.news.version == 3 and carrier.asked[1][0] > 240
    os.chdir("/")
    vfs.umount("/full")
