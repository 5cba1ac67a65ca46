"""Zips: canonical ones out, hostile ones refused."""

import os
import stat
import time
import zipfile
from pathlib import Path

import pytest

from application.errors import ArchiveMalformed, ArchiveMemberForbidden, ArchiveTooLarge
from infrastructure.artifacts.archive import Limits, extract, read_members, write_canonical_zip


@pytest.fixture
def folder(tmp_path):
    for name, content in (("model.json", b"{}"), ("b/two.txt", b"2"), ("a.txt", b"one"), ("B.txt", b"")):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "folder"


def zipped(path: Path, *members, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip of (name or ZipInfo, content) pairs."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def info(name: str, mode: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = mode << 16
    return member


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_canonical_zip_depends_on_names_and_bytes_alone(folder, tmp_path):
    write_canonical_zip(folder, tmp_path / "one.zip")
    later = time.time() + 3600
    for path in folder.rglob("*"):
        os.utime(path, (later, later))
        path.chmod(0o700)
    (folder / "empty").mkdir()
    write_canonical_zip(folder, tmp_path / "other.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()
    (folder / "a.txt").write_bytes(b"two")
    write_canonical_zip(folder, tmp_path / "changed.zip")
    assert (tmp_path / "one.zip").read_bytes() != (tmp_path / "changed.zip").read_bytes()


def test_what_was_zipped_unpacks_to_the_same(folder, tmp_path):
    write_canonical_zip(folder, tmp_path / "one.zip")
    names = extract(tmp_path / "one.zip", tmp_path / "out")
    assert names == ["B.txt", "a.txt", "b/two.txt", "model.json"]
    assert files(tmp_path / "out") == files(folder)


def test_members_can_be_read_without_unpacking(folder, tmp_path):
    write_canonical_zip(folder, tmp_path / "one.zip")
    names, found = read_members(tmp_path / "one.zip", {"a.txt", "none"})
    assert found == {"a.txt": b"one"}
    assert len(names) == 4


def test_a_link_is_not_zipped(folder, tmp_path):
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(ArchiveMemberForbidden, match="link"):
        write_canonical_zip(folder, tmp_path / "one.zip")


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "a/../../x",
        "/etc/x",
        "a//b",
        "./a",
        "a/.",
        "C:/x",
        "a\\b",
        "..",
        " a",
        "a ",
        "x\n",
        "con:",
        "é" * 130,
    ],
)
def test_a_name_that_is_not_plain_is_refused(tmp_path, name):
    path = zipped(tmp_path / "bad.zip", ("ok.txt", b"1"), (name, b"2"))
    with pytest.raises(ArchiveMemberForbidden):
        extract(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK, stat.S_IFDIR])
def test_only_plain_files_are_taken(tmp_path, kind):
    path = zipped(tmp_path / "bad.zip", (info("odd", kind | 0o777), b"/etc/passwd"))
    with pytest.raises(ArchiveMemberForbidden, match="odd"):
        extract(path, tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("a", "a"), ("a", "A"), ("a", "a/b"), ("A/b", "a")])
def test_no_member_hides_another(tmp_path, names):
    path = zipped(tmp_path / "bad.zip", *((name, b"1") for name in names))
    with pytest.raises(ArchiveMemberForbidden):
        extract(path, tmp_path / "out")


def test_sizes_and_counts_are_limited(tmp_path):
    path = zipped(tmp_path / "one.zip", ("a", os.urandom(5_000)), ("b", os.urandom(5_000)))
    for limits in (
        Limits(archive_bytes=5_000),
        Limits(members=1),
        Limits(member_bytes=4_999),
        Limits(total_bytes=9_999),
    ):
        with pytest.raises(ArchiveTooLarge):
            extract(path, tmp_path / "out", limits)
    assert extract(path, tmp_path / "out") == ["a", "b"]


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = zipped(tmp_path / "bomb.zip", ("zeros", bytes(20_000_000)))
    with pytest.raises(ArchiveTooLarge, match="times its size"):
        extract(path, tmp_path / "out")


def test_a_member_that_lies_about_its_size_is_refused(tmp_path):
    path = zipped(tmp_path / "lie.zip", ("zeros", bytes(300_000)))
    content = path.read_bytes().replace((300_000).to_bytes(4, "little"), (3).to_bytes(4, "little"))
    path.write_bytes(content)
    with pytest.raises(ArchiveMalformed):
        extract(path, tmp_path / "out")


def test_overlapping_members_are_refused(tmp_path):
    path = zipped(
        tmp_path / "overlap.zip", ("one", b"1" * 100), ("two", b"2" * 100), method=zipfile.ZIP_STORED
    )
    content = bytearray(path.read_bytes())
    second = content.rfind(b"PK\x01\x02")
    content[second + 42 : second + 46] = (0).to_bytes(4, "little")  # both point at the first member
    path.write_bytes(bytes(content))
    with pytest.raises(ArchiveMalformed, match="overlap"):
        extract(path, tmp_path / "out")


def test_a_changed_byte_in_a_member_is_found(tmp_path):
    path = zipped(tmp_path / "one.zip", ("one", b"1" * 100), method=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"1" * 100, b"1" * 99 + b"2"))
    with pytest.raises(ArchiveMalformed, match="one"):
        extract(path, tmp_path / "out")


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"PK\x05\x06", b"PK\x05\x06" + bytes(18) + b"more", bytes(range(256))]
)
def test_what_is_no_zip_is_refused(tmp_path, content):
    (tmp_path / "bad.zip").write_bytes(content)
    with pytest.raises(ArchiveMalformed):
        extract(tmp_path / "bad.zip", tmp_path / "out")


def test_bytes_before_the_archive_are_refused(folder, tmp_path):
    write_canonical_zip(folder, tmp_path / "one.zip")
    (tmp_path / "two.zip").write_bytes(b"#!/bin/sh\n" + (tmp_path / "one.zip").read_bytes())
    with pytest.raises(ArchiveMalformed, match="around"):
        extract(tmp_path / "two.zip", tmp_path / "out")


def test_encrypted_and_oddly_packed_members_are_refused(tmp_path):
    path = zipped(tmp_path / "lzma.zip", ("a", b"1"), method=zipfile.ZIP_LZMA)
    with pytest.raises(ArchiveMalformed, match="method 14"):
        extract(path, tmp_path / "out")
    path = zipped(tmp_path / "secret.zip", ("a", b"1"))
    content = bytearray(path.read_bytes())
    content[content.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ArchiveMemberForbidden, match="encrypted"):
        extract(path, tmp_path / "out")


def test_cutting_a_zip_anywhere_is_refused(folder, tmp_path):
    write_canonical_zip(folder, tmp_path / "one.zip")
    content = (tmp_path / "one.zip").read_bytes()
    for length in range(0, len(content), 7):
        (tmp_path / "cut.zip").write_bytes(content[:length])
        with pytest.raises(ArchiveMalformed):
            extract(tmp_path / "cut.zip", tmp_path / "out")
