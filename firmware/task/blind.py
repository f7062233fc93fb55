"""In the safe mode, where a camera was that failed: no picture, and what the door's policy says to that."""

from firmware.core import event
from firmware.core.errors import FlashError


class Blind:
    """Looks like `task.photographer.Photographer` with a camera that does not answer."""

    def __init__(self, is_required: bool, trail) -> None:
        self.is_required = is_required
        self._trail = trail

    async def shoot(self, is_grant: bool) -> None:
        try:
            self._trail.record(event.CAMERA_FAILED, {event.REASON: event.NO_ANSWER})
        except FlashError:
            pass

    def hold(self, is_held: bool) -> None:
        pass
