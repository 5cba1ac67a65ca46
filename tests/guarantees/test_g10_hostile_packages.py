"""G10: a package that is made to hurt whoever opens it is refused by name, quickly, and leaves nothing.

The whole corpus is read by one process, as the service reads packages: `inspect_zip`, then `unpack`. What the
reader's own tests say once (`tests/artifacts/test_archive.py`) is said here of whole packages.
"""

import json
import os
import stat
import struct
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.execution.definition_packages import FILES, TOML
from tests.guarantees.hostile_archives import FILE, STORED, UTF8, Member, archive, deflated

MALFORMED = "definition.package_malformed"
TOO_LARGE = "definition.package_too_large"
MANIFEST = "definition.manifest_malformed"
SECONDS_MAX = 1.0
PEAK_MIB_MAX = 128
REPOSITORY = Path(__file__).parents[2]
Cases = dict[str, tuple[bytes, str]]


def package(extra: Iterable[Member] = (), *, toml: str | bytes = TOML) -> list[Member]:
    """The members of a good package and one more."""
    text = toml.encode() if isinstance(toml, str) else toml
    files = {name: content.encode() for name, content in FILES.items()} | {"definition.toml": text}
    first = Member(name=b"definition.toml", content=files.pop("definition.toml"), method=STORED)
    return [first, *(Member(name=name.encode(), content=content) for name, content in files.items()), *extra]


def with_member(name: str | bytes, content: bytes = b"x = 1\n", **changes: Any) -> bytes:
    raw = name if isinstance(name, bytes) else name.encode()
    return archive(package([Member(name=raw, content=content, **changes)]))


ESCAPES = (
    "../evil.py", "../../evil.py", "model/../../evil.py", "model/../../../../etc/evil.py", "/etc/evil.py",
    "//host/evil.py", "..\\evil.py", "model\\..\\..\\evil.py", "\\evil.py", "\\\\host\\share\\evil.py",
    "C:/evil.py", "C:evil.py", "c:\\evil.py", "file:///evil.py", "..", ".", "./evil.py", "model/./evil.py",
    "model//evil.py", "model/..", "/", "",
)  # fmt: skip
LOOK_ALIKES = (
    "\uff0e\uff0e/evil.py", "..\uff0fevil.py", "\u2024\u2024/evil.py", "\u2025/evil.py", "\uff0fetc/evil.py",
    "..\uff3cevil.py", "model\uff1aevil.py", "model/\u202eyp.live", "model/\u200bevil.py",
    "model\uff0fevil.py", "model/\u2100.py", "model/evil\ufeff.py", "model/e\u0301vil\u2028.py",
)  # fmt: skip
BAD_CHARACTERS = (
    "model/evil.py\0.txt", "model/\0", "model/a\nb.py", "model/\x1b[2Jb.py", "model/a\x7fb.py",
    "model/a\tb.py", "model/what?.py", "model/a*b.py", 'model/"a".py', "model/a|b.py", "model/<a>.py",
)  # fmt: skip
RESERVED = ("CON", "model/nul.py", "model/Aux.tar.gz", "com1", "model/LPT9.txt", "model/prn", "model/conin$")
EDGES = (
    "model/evil.py ",
    " model/evil.py",
    "model /evil.py",
    "model/evil.",
    "model./evil.py",
    "model/evil.py.",
)
LONG = ("model/" + "a" * 300 + ".py", "é" * 130, "/".join(["a"] * 150), "model/" + "a" * 60_000)


def named(family: str, names: Iterable[str]) -> Cases:
    return {f"{family}-{number:02}": (with_member(name), MALFORMED) for number, name in enumerate(names)}


def kinds() -> Cases:
    link = stat.S_IFLNK | 0o777
    asi = struct.pack("<HHLHLHH", 0x756E, 14 + 11, 0, link, 11, 0, 0) + b"/etc/passwd"
    hard = struct.pack("<HHLLHH", 0x000D, 12 + 11, 0, 0, 0, 0) + b"/etc/passwd"
    through = [Member(name=b"link", content=b"/tmp", mode=link), Member(name=b"link/evil.py", content=b"x")]
    cases = {
        "symbolic-link": with_member("link", b"/etc/passwd", mode=link),
        "symbolic-link-with-a-folders-name": with_member("link/", b"", mode=link),
        "symbolic-link-in-an-extra-field": with_member("link", extra=asi),
        "hard-link-in-an-extra-field": with_member("link", extra=hard),
        "file-through-a-link": archive(package(through)),
        "folder-that-is-a-file": with_member("model/x/", b"", mode=FILE),
        "file-that-is-a-folder": with_member("model/x", b"", mode=stat.S_IFDIR | 0o755),
    }
    devices = {
        "fifo": stat.S_IFIFO,
        "character": stat.S_IFCHR,
        "block": stat.S_IFBLK,
        "socket": stat.S_IFSOCK,
    }
    cases |= {f"device-{name}": with_member("odd", mode=mode | 0o666) for name, mode in devices.items()}
    return {name: (content, MALFORMED) for name, content in cases.items()}


def twice() -> Cases:
    pairs = {
        "same-name": ("model/x.py", "model/x.py"),
        "same-name-as-the-definitions": ("definition.toml",),
        "letter-case": ("model/x.py", "model/X.py"),
        "letter-case-of-a-folder": ("Model/linear.py",),
        "letter-case-by-folding": ("model/s.py", "model/ſ.py"),
        "composed-and-decomposed": ("model/\u00e9.py", "model/e\u0301.py"),
        "compatible-letters": ("model/fi.py", "model/\ufb01.py"),
        "file-that-is-a-folder-elsewhere": ("model",),
        "file-below-a-file": ("model/linear.py/x.py",),
    }
    return {
        f"twice-{what}": (archive(package(Member(name=one.encode()) for one in names)), MALFORMED)
        for what, names in pairs.items()
    }


def overlaps() -> Cases:
    first = package()[0].name
    end = len(archive(package()))
    quoted = Member(name=b"model/q.py", content=b"x" * 400, method=STORED)
    inside = Member(name=b"model/r.py", content=b"x" * 10, method=STORED, told={"offset": 40})
    return {
        "overlap-same-bytes": (with_member("model/x.py", told={"offset": 0}), MALFORMED),
        "overlap-inside-another": (archive(package([quoted, inside])), MALFORMED),
        "overlap-with-the-directory": (
            with_member("model/x.py", told={"packed": 5000, "size": 5000}),
            MALFORMED,
        ),
        "offset-behind-the-end": (with_member("model/x.py", told={"offset": end + 4096}), MALFORMED),
        "offset-of-four-gigabytes": (with_member("model/x.py", told={"offset": 0xFFFFFFFE}), MALFORMED),
        "other-name-in-the-local-header": (with_member("model/x.py", local_name=b"../evil"), MALFORMED),
        "many-names-of-one-member": (
            archive(package(Member(name=b"model/%d.py" % n, told={"offset": 0}) for n in range(900))),
            MALFORMED,
        ),
        "name-of-another-member-in-the-local-header": (
            with_member("model/x.py", local_name=first),
            MALFORMED,
        ),
    }


@cache
def dense(mebibytes: int) -> tuple[bytes, bytes]:
    """Content that packs to a 130th: just under what a member may."""
    content = (os.urandom(400) + bytes(60_000)) * (mebibytes * 17)
    return content, deflated(content, 1)


def bombs() -> Cases:
    zeros = bytes(12 << 20)
    content, packed = dense(28)
    many = [Member(name=b"docs/%d.txt" % n, content=content, packed=packed) for n in range(5)]
    inner = archive([Member(name=b"zeros", content=zeros)])
    spoiled = [Member(name=b"docs/%d.txt" % n, content=content, packed=packed) for n in range(4)]
    spoiled[3] = Member(name=b"docs/3.txt", content=content, packed=packed, told={"crc": 1})
    return {
        "bomb-of-one-file": (with_member("docs/zeros.txt", zeros), TOO_LARGE),
        "bomb-nested": (with_member("docs/nested.zip", inner * 300), TOO_LARGE),
        "bomb-of-many-files": (archive(package(many)), TOO_LARGE),
        "bomb-that-says-it-is-small": (
            with_member("docs/zeros.txt", zeros, told={"size": 60_000}), MALFORMED),
        "bomb-that-says-it-packs-badly": (
            with_member("docs/zeros.txt", zeros, told={"packed": 13 << 20}), MALFORMED),
        "bomb-in-the-definition": (with_definition(b"#" * (2 << 20)), TOO_LARGE),
        "bomb-that-is-found-at-its-last-byte": (archive(package(spoiled)), MALFORMED),
        "file-of-four-gigabytes": (with_member("docs/x.txt", told={"size": 0xFFFFFFFE}), TOO_LARGE),
        "too-many-members": (archive(package(Member(name=b"d%d" % n) for n in range(2_000))), TOO_LARGE),
        "too-many-members-and-says-few": (
            archive(package(Member(name=b"d%d" % n) for n in range(9_000)), end={"here": 12, "all": 12}),
            MALFORMED,
        ),
        "directory-in-64-bit-records": (hidden_directory(200_000), MALFORMED),
    }  # fmt: skip


def with_definition(text: bytes) -> bytes:
    return archive(package(toml=text))


def hidden_directory(count: int) -> bytes:
    """The end record tells of a short directory; a 64-bit record that it counts in tells of a huge one."""
    entry = archive([Member(name=b"d")])
    huge = entry[31:-22] * count
    short = archive(package())
    directory_at = struct.unpack("<L", short[-6:-2])[0]
    length = len(short) - 22 - directory_at
    body = short[:directory_at] + huge + short[directory_at:-22]
    first = directory_at
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(body) - first, first)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(body), 1)
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, 11, 11, length + len(record) + len(locator), directory_at + len(huge), 0
    )
    return body + record + locator + end


def lies() -> Cases:
    content = bytes(range(256)) * 8
    packed = deflated(content)
    cases = {
        "wrong-checksum": with_member("docs/x.txt", content, told={"crc": 1}),
        "wrong-checksum-of-the-definition": archive(
            [Member(name=b"definition.toml", content=TOML.encode(), told={"crc": 1}), *package()[1:]]
        ),
        "size-too-small": with_member("docs/x.txt", content, told={"size": 7}),
        "size-too-large": with_member("docs/x.txt", content, told={"size": 9999}),
        "packed-size-too-small": with_member("docs/x.txt", content, told={"packed": len(packed) // 2}),
        "stored-with-two-sizes": with_member("docs/x.txt", content, method=STORED, told={"size": 99}),
        "deflate-that-is-noise": with_member("docs/x.txt", content, packed=b"\xff" * 500),
        "deflate-that-is-cut-off": with_member("docs/x.txt", content, packed=packed[:-20]),
        "deflate-of-nothing": with_member("docs/x.txt", content, packed=b""),
    }
    return {f"lie-{name}": (made, MALFORMED) for name, made in cases.items()}


def ways_of_packing() -> Cases:
    cases = {f"method-{n}": with_member("docs/x.txt", told={"method": n}) for n in (1, 6, 9, 12, 14, 93, 99)}
    flags = {"encrypted": 0x1, "patched": 0x20, "strongly-encrypted": 0x41, "strong-flag-alone": 0x40}
    cases |= {f"flag-{name}": with_member("docs/x.txt", flags=UTF8 | bit) for name, bit in flags.items()}
    cases["name-that-is-not-utf8"] = with_member(b"model/\xff\xfe.py")
    cases["name-in-too-long-utf8"] = with_member(b"\xc0\xae\xc0\xae/evil.py")
    cases["extra-field-that-is-cut-off"] = with_member("model/x.py", extra=b"\1\0\xff\xff\0")
    return {name: (content, MALFORMED) for name, content in cases.items()}


def cuts() -> Cases:
    whole = archive(package())
    directory = whole.rfind(b"PK\1\2")
    inner = archive([Member(name=b"definition.toml", content=b"x")])
    cases = {
        "empty-file": b"",
        "text": b"not a zip",
        "gzip": b"\x1f\x8b\x08" + bytes(200),
        "signature-alone": b"PK\3\4",
        "end-record-that-is-cut-off": whole[:-1],
        "without-the-end": whole[:-22],
        "cut-in-the-directory": whole[: directory + 9],
        "cut-in-half": whole[: len(whole) // 2],
        "half-of-it-twice": whole[: len(whole) // 2] * 2,
        "end-record-alone-of-many": whole[-22:],
        "bytes-before": b"#!/bin/sh\n" + whole,
        "bytes-after": whole + b"\0",
        "line-after": whole + b"<script>",
        "another-zip-before": inner + whole,
        "another-zip-after": whole + inner,
        "another-zip-in-the-comment": archive(package(), comment=inner),
        "bytes-before-the-end-record": archive(package(), tail=b"x" * 40),
        "several-disks": archive(package(), end={"disk": 1, "first_disk": 1}),
        "counts-that-differ": archive(package(), end={"here": 3}),
        "fewer-members-than-it-says": archive(package(), end={"here": 40, "all": 40}),
        "directory-elsewhere": archive(package(), end={"offset": 0}),
        "directory-longer-than-it-is": archive(package(), end={"length": 60_000}),
    }
    return {f"cut-{name}": (content, MALFORMED) for name, content in cases.items()} | {
        "cut-empty-zip": (archive([]), MANIFEST),
        "cut-without-definition": (archive(package()[1:]), MANIFEST),
        "cut-definition-with-foreign-letters": (
            archive([Member(name="definiti\u043en.toml".encode(), content=TOML.encode()), *package()[1:]]),
            MANIFEST,
        ),
    }  # fmt: skip


def definitions() -> Cases:
    deep = "(" * 20_000 + "python_version>'3'" + ")" * 20_000
    texts = {
        "dotted-key": TOML + "\n[" + ".".join(["a"] * 30_000) + "]\n",
        "dotted-keys": "".join(f"{'b.' * 60}c{n} = 1\n" for n in range(500)),
        "dotted-keys-with-quotes": TOML + "\n" + '"x" . ' * 9_000 + "y = 1",
        "nested-lists": "a = " + "[" * 60_000,
        "nested-tables": "a = " + "{b=" * 20_000,
        "long-number": "a = " + "9" * 60_000,
        "long-hexadecimal-number": "a = 0x" + "f" * 60_000,
        "date-that-is-none": "a = 2024-02-31",
        "nul": TOML + "\n\0",
        "too-long": TOML + "#" * 65_536,
        "nested-requirement": TOML.replace('"numpy"', json.dumps(f"numpy ; {deep}")),
        "long-version": TOML.replace('"1.0.0"', json.dumps("1." + "0" * 50_000)),
    }
    cases = {f"definition-{name}": (with_definition(text.encode()), MANIFEST) for name, text in texts.items()}
    cases["definition-too-long"] = (cases["definition-too-long"][0], TOO_LARGE)
    cases["definition-long-version"] = (cases["definition-long-version"][0], "definition.version_malformed")
    cases["definition-not-utf8"] = (with_definition(b"\xff\xfe" + TOML.encode("utf-16")), MANIFEST)
    return cases


@cache
def corpus() -> Cases:
    return {
        **named("escape", ESCAPES),
        **named("look-alike", LOOK_ALIKES),
        **named("characters", BAD_CHARACTERS),
        **named("reserved", RESERVED),
        **named("edge", EDGES),
        **named("long", LONG),
        **kinds(), **twice(), **overlaps(), **bombs(), **lies(), **ways_of_packing(), **cuts(),
        **definitions(),
    }  # fmt: skip


@cache
def twins() -> dict[str, bytes]:
    """For each family a package that comes as near to it as an honest one may."""
    content, packed = dense(28)
    one = archive(package())
    return {
        "plain": one,
        "names": archive(
            package(
                Member(name=name.encode(), content=b"x = 1\n")
                for name in ("model/évil.py", "model/..evil.py", "model/con_fig.py", "docs/a b.md")
            )
        ),
        "long-name": with_member("model/" + "a" * 231 + ".py"),
        "folders": archive(package([Member(name=b"model/x/", mode=stat.S_IFDIR | 0o755)])),
        "kinds": with_member("model/x.py", mode=0),
        "stored": with_member("docs/x.txt", b"0" * 60_000, method=STORED),
        "bomb": archive(
            package(Member(name=b"docs/%d" % n, content=content, packed=packed) for n in range(4))
        ),
        "members": archive(package(Member(name=b"docs/%d.md" % n) for n in range(1_000))),
        "deep-folders": archive(
            package(Member(name=b"/".join([b"a"] * 118) + b"/%d" % n) for n in range(100))
        ),
        "comment": archive(package(), comment=b"made by hand"),
        "nested": with_member("docs/inner.zip", one),
        "extra-field": with_member("model/x.py", extra=struct.pack("<HH5s", 0x5455, 5, b"\1abcd")),
        "definition": with_definition(TOML.encode() + b"#" * 64_000),
    }


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process said of the corpus and of the twins, and its peak of memory."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, (content, _) in corpus().items():
        (folder / f"{name}.zip").write_bytes(content)
    for name, content in twins().items():
        (folder / f"twin-{name}.zip").write_bytes(content)
    with (folder / "larger-than-any.zip").open("wb") as file:
        file.truncate(33 << 20)
    command = [sys.executable, "-m", "tests.guarantees.hostile_archives", str(folder)]
    answer = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True, timeout=100)
    return json.loads(answer.stdout)


EXPECTED = {name: code for name, (_, code) in corpus().items()} | {"larger-than-any": TOO_LARGE}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_hostile_package_is_refused_by_name_at_once_and_leaves_nothing(
    verdicts: dict[str, Any], name: str
) -> None:
    found = verdicts["found"][name]
    assert found["code"] == EXPECTED[name]
    assert found["seconds"] < SECONDS_MAX
    assert found["beside"] == []
    assert found["left"] == []


@pytest.mark.parametrize("name", twins())
def test_its_honest_twin_is_taken(verdicts: dict[str, Any], name: str) -> None:
    found = verdicts["found"][f"twin-{name}"]
    assert (found["code"], found["beside"]) == ("accepted", [])
    assert "target/definition.toml" in found["left"]


def test_all_of_them_together_need_little_memory(verdicts: dict[str, Any]) -> None:
    assert verdicts["peak_mib"] <= PEAK_MIB_MAX
