"""What a doctor finds: a sentence about what is wrong, and one about what to do."""

from dataclasses import dataclass

SICK = "sick"
NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """`code` names it for programs; a finding of the kind NOTE does not make the board a sick one."""

    code: str
    say: str
    do: str
    kind: str = SICK
