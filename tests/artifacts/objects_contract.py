"""What every place of objects keeps to; a subclass gives the place as the fixture `objects`, and says how to
look at and to damage what lies there.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from infrastructure.artifacts.objects import ObjectChanged, ObjectMissing, ObjectPurged

CONTENT = b"model bytes"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PLACE = f"objects/{SHA256[:2]}/{SHA256[2:]}"


class ObjectsContract:
    @pytest.fixture
    def tree(self):
        """A call that tells everything that is stored: place under the root → bytes."""
        raise NotImplementedError

    @pytest.fixture
    def damage(self):
        """A call that puts other bytes in a place, as no code of ours does."""
        raise NotImplementedError

    def test_bytes_come_back_under_their_hash_in_the_one_layout(self, objects, tree):
        assert objects.put(CONTENT) == SHA256
        assert objects.get(SHA256) == CONTENT
        assert objects.checked_path(SHA256).read_bytes() == CONTENT
        assert objects.has(SHA256)
        assert tree() == {PLACE: CONTENT}

    def test_no_bytes_are_an_object_too(self, objects):
        sha256 = objects.put(b"")
        assert objects.get(sha256) == objects.checked_path(sha256).read_bytes() == b""

    def test_a_large_file_is_copied_and_stays_where_it_is(self, objects, tmp_path):
        content = bytes(range(256)) * 44_000  # three parts of 5 MiB, the last one smaller
        source = tmp_path / "source"
        source.write_bytes(content)
        sha256 = objects.put_file(source)
        assert sha256 == objects.put_file(source) == hashlib.sha256(content).hexdigest()
        assert source.exists()
        assert objects.get(sha256) == content
        assert objects.checked_path(sha256).read_bytes() == content

    def test_storing_twice_is_one_object(self, objects, tree):
        assert objects.put(CONTENT) == objects.put(CONTENT)
        assert tree() == {PLACE: CONTENT}

    @pytest.mark.parametrize("name", ["0" * 64, "", "../../secret", SHA256.upper(), SHA256 + "0"])
    def test_what_was_never_stored_is_missing(self, objects, name):
        objects.put(CONTENT)
        for ask in (objects.get, objects.checked_path, objects.purge):
            with pytest.raises(ObjectMissing):
                ask(name)
        assert not objects.has(name)
        objects.discard(name)

    def test_purged_bytes_are_gone_and_the_mark_says_so(self, objects, tree):
        objects.put(CONTENT)
        objects.checked_path(SHA256)
        objects.purge(SHA256)
        objects.purge(SHA256)
        assert tree() == {f"purged/{SHA256}": b""}
        assert not objects.has(SHA256)
        for ask in (objects.get, objects.checked_path):
            with pytest.raises(ObjectPurged):
                ask(SHA256)

    def test_storing_purged_bytes_again_brings_them_back(self, objects, tree):
        objects.put(CONTENT)
        objects.purge(SHA256)
        assert objects.put(CONTENT) == SHA256
        assert objects.get(SHA256) == CONTENT
        assert tree() == {PLACE: CONTENT}

    def test_what_was_discarded_was_never_there(self, objects, tree):
        objects.put(CONTENT)
        objects.checked_path(SHA256)
        objects.discard(SHA256)
        assert tree() == {}
        for ask in (objects.get, objects.checked_path):
            with pytest.raises(ObjectMissing):
                ask(SHA256)

    def test_any_changed_byte_is_refused_when_it_is_read(self, objects, damage):
        objects.put(CONTENT)
        for offset in range(len(CONTENT)):
            changed = bytearray(CONTENT)
            changed[offset] ^= 1
            damage(PLACE, bytes(changed))
            for ask in (objects.get, objects.checked_path):
                with pytest.raises(ObjectChanged):
                    ask(SHA256)
        damage(PLACE, CONTENT)
        assert objects.get(SHA256) == CONTENT
        assert objects.checked_path(SHA256).read_bytes() == CONTENT

    @pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"1"])
    def test_shortened_or_lengthened_bytes_are_refused(self, objects, damage, content):
        objects.put(CONTENT)
        damage(PLACE, content)
        for ask in (objects.get, objects.checked_path):
            with pytest.raises(ObjectChanged):
                ask(SHA256)

    def test_equal_and_other_contents_from_many_threads_are_each_one_whole_object(self, objects, tree):
        contents = [str(number % 5).encode() * 1000 for number in range(40)]
        with ThreadPoolExecutor(8) as pool:
            names = list(pool.map(objects.put, contents))
        assert [objects.get(name) for name in names] == contents
        assert sorted(tree().values()) == sorted(set(contents))
