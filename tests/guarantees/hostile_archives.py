"""Archives that no zip program would write: every field of every record as one likes it.

Run as a program it reads packages the way the service does and tells what came of each, how much processor
time it took and how much memory all of them needed at the most.
"""

import json
import stat
import struct
import sys
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STORED, DEFLATED = 0, 8
UTF8 = 0x800
FILE = stat.S_IFREG | 0o644
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")


@dataclass(frozen=True, kw_only=True)
class Member:
    """One entry. `told` replaces what its directory record says; `packed` what its packed bytes are."""

    name: bytes
    content: bytes = b""
    packed: bytes | None = None
    method: int = DEFLATED
    mode: int = FILE
    flags: int = UTF8
    extra: bytes = b""
    local_name: bytes | None = None
    told: Mapping[str, int] = field(default_factory=dict)

    @property
    def stored(self) -> bytes:
        """The bytes in the archive."""
        if self.packed is not None:
            return self.packed
        return deflated(self.content) if self.method == DEFLATED else self.content

    @property
    def facts(self) -> dict[str, int]:
        """What the directory says."""
        true = {"size": len(self.content), "packed": len(self.stored), "crc": zlib.crc32(self.content)}
        return true | {"method": self.method, "flags": self.flags} | dict(self.told)


def deflated(content: bytes, level: int = 6) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def archive(
    members: Sequence[Member],
    *,
    tail: bytes = b"",
    comment: bytes = b"",
    end: Mapping[str, int] | None = None,
) -> bytes:
    """The bytes of a zip; `tail` lies before the end record, `end` replaces what that record says."""
    body, directory = b"", b""
    parts: list[bytes] = []
    at = 0
    for member in members:
        facts = {"offset": at} | member.facts
        name = member.name if member.local_name is None else member.local_name
        sizes = (facts["crc"], len(member.stored), len(member.content))
        head = _LOCAL.pack(b"PK\3\4", 20, facts["flags"], facts["method"], 0, 33, *sizes, len(name), 0)
        parts.append(head + name + member.stored)
        at += len(parts[-1])
        directory += _central(member, facts)
    body = b"".join(parts)
    told = {"here": len(members), "all": len(members), "length": len(directory), "offset": len(body)}
    told |= {"disk": 0, "first_disk": 0} | dict(end or {})
    numbers = [told[one] for one in ("disk", "first_disk", "here", "all", "length", "offset")]
    return body + directory + tail + _END.pack(b"PK\5\6", *numbers, len(comment)) + comment


def _central(member: Member, facts: Mapping[str, int]) -> bytes:
    sizes = (facts["crc"], facts["packed"], facts["size"])
    lengths = (len(member.name), len(member.extra), 0, 0, 0)
    head = (b"PK\1\2", 0x0314, 20, facts["flags"], facts["method"], 0, 33)
    where = (member.mode << 16, facts["offset"])
    return _CENTRAL.pack(*head, *sizes, *lengths, *where) + member.name + member.extra


def judged(path: Path, scratch: Path) -> dict[str, Any]:
    """What the service would say of a package: the code of its refusal or `accepted`, and what was left."""
    from domain.shared.errors import RuleBroken
    from infrastructure.packages import inspect_zip, unpack

    target = scratch / "target"
    target.mkdir(parents=True)
    begun = time.process_time()
    try:
        inspect_zip(path)
        unpack(path, target)
        code = "accepted"
    except RuleBroken as refusal:
        code = refusal.code
    except BaseException as problem:  # that is a failure of the service, told as one
        code = f"not a refusal: {type(problem).__name__}: {problem}"[:200]
    seconds = time.process_time() - begun
    left = sorted(one.relative_to(scratch).as_posix() for one in scratch.rglob("*") if one.is_file())
    return {"code": code, "seconds": seconds, "left": left, "beside": outside(scratch)}


def outside(scratch: Path) -> list[str]:
    """What an escape would have written beside its folder."""
    places = (scratch / "evil.py", scratch.parent / "evil.py", Path("/etc/evil.py"), Path("/evil.py"))
    return [str(one) for one in places if one.exists()]


def peak_mib() -> float:
    """The most memory that this process ever had; `getrusage` would tell its parent's, too."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in one)
    return int(line.split()[1]) / 1024


def main(folder: Path) -> None:
    found = {one.stem: judged(one, folder / "out" / one.stem) for one in sorted(folder.glob("*.zip"))}
    print(json.dumps({"found": found, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
