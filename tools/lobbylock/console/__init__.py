"""The host's side of a board's serial line: docs/protocol.md section 7."""
