"""What the camera sees: the lobby behind the door, drawn, with the moment written into the picture."""

import io
import random

from PIL import Image, ImageDraw

_WALL = (196, 188, 172)
_FLOOR = (120, 112, 104)
_DARK = (52, 56, 64)
_GRAIN = 0.10


def render(size: tuple[int, int], compression: int, door: str, moment: str, number: int) -> bytes:
    """Returns a JPEG of `size`. `compression` is the module's own scale: 0 is best, 255 smallest."""
    width, height = size
    picture = Image.new("RGB", size, _WALL)
    draw = ImageDraw.Draw(picture)
    chance = random.Random(f"{door} {number}")
    _draw_room(draw, width, height)
    _draw_person(draw, width, height, chance)
    _write(draw, width, height, f"{door}  #{number}", moment)
    # A sensor's grain, without which the file would be much smaller than a real one.
    grain = Image.frombytes("L", size, chance.randbytes(width * height)).convert("RGB")
    picture = Image.blend(picture, grain, _GRAIN)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=max(5, 85 - compression // 3))
    return out.getvalue()


def _draw_room(draw: ImageDraw.ImageDraw, width: int, height: int) -> None:
    horizon = height * 5 // 8
    draw.rectangle((0, horizon, width, height), fill=_FLOOR)
    # Straight lines bend outward through a wide-angle lens.
    for step in range(-4, 9):
        x = width * step // 4
        draw.line((width // 2, horizon, x, height), fill=(98, 92, 86), width=max(1, width // 200))
    draw.arc((-width // 3, -height // 4, width * 4 // 3, height // 3), 20, 160, fill=_DARK, width=max(2, width // 100))
    for column in range(4):
        left = width * (1 + 2 * column) // 20
        for row in range(3):
            top = height * (3 + row) // 12
            draw.rectangle((left, top, left + width // 12, top + height // 14), outline=_DARK, fill=(170, 150, 120))
    draw.rectangle((width * 3 // 4, height // 4, width * 9 // 10, horizon), fill=(88, 104, 120), outline=_DARK)


def _draw_person(draw: ImageDraw.ImageDraw, width: int, height: int, chance: random.Random) -> None:
    center = width * chance.randint(45, 70) // 100
    head = height // 14
    top = height * chance.randint(26, 34) // 100
    coat = (chance.randint(20, 200), chance.randint(20, 120), chance.randint(20, 200))
    draw.ellipse((center - head, top, center + head, top + 2 * head), fill=(206, 164, 132))
    draw.rectangle((center - 2 * head, top + 2 * head, center + 2 * head, top + 6 * head), fill=coat)
    draw.rectangle((center - head, top + 6 * head, center + head, top + 9 * head), fill=_DARK)
    left = center + chance.choice((-4, 1)) * head
    draw.rectangle((left, top + 3 * head, left + 3 * head, top + 5 * head), fill=(178, 134, 82), outline=_DARK)


def _write(draw: ImageDraw.ImageDraw, width: int, height: int, *lines: str) -> None:
    line_height = max(11, height // 24)
    top = height - line_height * len(lines) - 2
    draw.rectangle((0, top, width, height), fill=(0, 0, 0))
    for index, line in enumerate(lines):
        draw.text((4, top + index * line_height), line, fill=(255, 255, 255))
