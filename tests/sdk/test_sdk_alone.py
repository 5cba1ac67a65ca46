"""The SDK by itself: light to import, a namespace package, canonical files, references."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from infrastructure.artifacts.archive import write_canonical_zip
from optaic.mlops import Client, Refused
from optaic.mlops.data import DatasetRef
from optaic.mlops.packaging import canonical_zip, unpack_zip


def child(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_the_sdk_imports_nothing_heavy() -> None:
    loaded = child(
        "import sys; import optaic.mlops; "
        "light = [m for m in ('httpx', 'polars') if m in sys.modules]; "
        "from optaic.mlops import tracking, registry, pipeline, data; "
        "print(light + [m for m in ('polars', 'pydantic', 'pyarrow', 'numpy') if m in sys.modules])"
    )
    assert loaded == "[]"


def test_optaic_is_a_namespace_that_others_can_share() -> None:
    assert child("import optaic; print(optaic.__file__)") == "None"


def test_the_sdk_never_imports_the_service() -> None:
    code = (
        "import sys; from optaic.mlops import tracking, registry, pipeline, data, client, packaging; "
        "import optaic.mlops.runner.suite, optaic.mlops.pipelines.training; "
        "print([m for m in sys.modules if m.split('.')[0] in ('domain', 'application', 'projections', "
        "'infrastructure')])"
    )
    assert child(code) == "[]"


def test_both_writers_of_canonical_files_agree_bit_for_bit(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "b.txt").write_text("two")
    (folder / "a.json").write_text("{}")
    write_canonical_zip(folder, tmp_path / "service.zip")
    assert canonical_zip(folder) == (tmp_path / "service.zip").read_bytes()
    unpack_zip(canonical_zip(folder), tmp_path / "again")
    assert (tmp_path / "again" / "model" / "b.txt").read_text() == "two"


def test_a_zip_that_leads_out_of_its_folder_is_not_unpacked(tmp_path: Path) -> None:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../evil", "x")
    with pytest.raises(ValueError, match="plain relative name"):
        unpack_zip(buffer.getvalue(), tmp_path / "target")


def test_references_of_datasets_are_read() -> None:
    assert DatasetRef.parse("us-prices@12") == DatasetRef("us-prices", 12)
    assert str(DatasetRef.parse("us-prices")) == "us-prices"
    with pytest.raises(ValueError, match="neither"):
        DatasetRef.parse("us-prices@new")


def test_a_busy_service_is_asked_again_with_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optaic.mlops.client._PAUSE_S", 0.0)
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        busy = len(keys) < 3
        return httpx.Response(503 if busy else 201, json={"outcome": "accepted", "refs": []})

    client = Client("http://127.0.0.1:1", transport=httpx.MockTransport(answer))
    assert client.create_dataset("us-prices", {})["outcome"] == "accepted"
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_an_answer_that_is_no_problem_document_is_still_a_refusal() -> None:
    client = Client(
        "http://127.0.0.1:1", transport=httpx.MockTransport(lambda _: httpx.Response(502, text="bad"))
    )
    with pytest.raises(Refused) as refusal:
        client.health()
    assert (refusal.value.status, refusal.value.code, refusal.value.detail) == (502, "http.502", "bad")
