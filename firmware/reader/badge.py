"""A badge: an NDEF tag whose message holds a credential. It can be copied; what it is worth is decided elsewhere."""

import isodep
import ndef
import type2

from firmware.core import credential, proof


async def read(exchange, is_isodep: bool) -> bytes:
    """Returns the credential on a Type 4 or, if not `is_isodep`, Type 2 tag. Raises ndef.TagError if there is none."""
    read_message = isodep.read_message if is_isodep else type2.read_message
    message = await read_message(exchange)
    data = ndef.find(message, proof.MEDIA_TYPE)
    if not data or len(data) > credential.MAX_CHAIN_BYTES:
        raise ndef.TagError("no credential on the badge")
    return data
