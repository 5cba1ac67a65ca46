"""Model files: what was fitted comes back bit for bit, equal models are equal files, reading runs nothing."""

import hashlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest
import skops.io
import xgboost
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from optaic.mlops import model_files, registry
from optaic.mlops.base import Params
from optaic.mlops.bases import EstimatorModel
from optaic.mlops.model_files import ModelFormatUnknown, ModelTypeUntrusted, ModelUnsafe
from optaic.mlops.packaging import canonical_zip

ROWS = np.random.default_rng(7).normal(size=(300, 4))
TARGET = ROWS @ np.array([0.5, -0.2, 0.1, 0.0]) + np.sin(9 * ROWS[:, 0])


def forest() -> RandomForestRegressor:
    return RandomForestRegressor(n_estimators=5, random_state=7, n_jobs=1)


def xgb() -> xgboost.XGBRegressor:
    return xgboost.XGBRegressor(n_estimators=5, max_depth=3, random_state=7, n_jobs=1)


def lgbm() -> lightgbm.LGBMRegressor:
    return lightgbm.LGBMRegressor(
        n_estimators=5, random_state=7, n_jobs=1, deterministic=True, force_row_wise=True, verbose=-1
    )


ESTIMATORS: dict[str, tuple[Callable[[], Any], str]] = {
    "linear": (Ridge, ".skops"),
    "pipeline": (lambda: make_pipeline(StandardScaler(), Ridge()), ".skops"),
    "forest": (forest, ".skops"),
    "xgboost": (xgb, ".ubj"),
    "lightgbm": (lgbm, ".txt"),
}
all_estimators = pytest.mark.parametrize("name", ESTIMATORS)


def model_of(name: str) -> EstimatorModel:
    class Model(EstimatorModel):
        trusted = ("sklearn.tree._tree.Tree",) if name == "forest" else ()

        def estimator(self) -> Any:
            return ESTIMATORS[name][0]()

    return Model(Params())


def fitted(name: str) -> EstimatorModel:
    model = model_of(name)
    features = pl.DataFrame(ROWS, schema=["a", "b", "c", "d"])
    model.fit(features, pl.Series(TARGET), pl.Series([None] * 300))
    return model


@all_estimators
def test_predictions_of_a_model_that_was_read_are_equal_to_the_last_bit(tmp_path: Path, name: str) -> None:
    model = fitted(name)
    model.save(tmp_path)
    (path,) = tmp_path.iterdir()
    assert path.suffix == ESTIMATORS[name][1]
    features = pl.DataFrame(np.random.default_rng(8).normal(size=(500, 4)), schema=["a", "b", "c", "d"])
    again = type(model).load(tmp_path, Params())
    assert again.predict(features).tobytes() == model.predict(features).tobytes()


@all_estimators
def test_the_same_training_gives_the_same_file_and_another_one_does_not(tmp_path: Path, name: str) -> None:
    hashes: list[str] = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        model = fitted(name)
        if number == 2:
            model = model_of(name)
            model.fit(pl.DataFrame(-ROWS), pl.Series(TARGET), pl.Series([None] * 300))
        model.save(folder)
        hashes.append(hashlib.sha256(canonical_zip(folder)).hexdigest())
    assert hashes[0] == hashes[1] != hashes[2]


IN_A_PROCESS = """
import sys
from pathlib import Path
from tests.sdk.test_model_files import fitted
fitted("pipeline").save(Path(sys.argv[1]))
"""


def test_a_process_with_other_addresses_and_hashes_writes_the_same_file(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONHASHSEED": "2"}
    code = "held = [object() for _ in range(1000)]\n" + IN_A_PROCESS
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=env)
    (tmp_path / "here").mkdir()
    fitted("pipeline").save(tmp_path / "here")
    name = "estimator.skops"
    assert (tmp_path / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


def test_members_of_a_set_are_written_in_an_order_of_their_own(tmp_path: Path) -> None:
    from optaic.mlops.skops_files import _Names

    def state(*members: str) -> dict[str, Any]:
        content = [{"__loader__": "JsonNode", "content": one, "__id__": hash(one)} for one in members]
        return {"__loader__": "SetNode", "content": content, "__id__": 7}

    assert _Names().renamed(state("a", "b")) == _Names().renamed(state("b", "a"))


def test_what_two_places_share_is_shared_again(tmp_path: Path) -> None:
    shared = np.arange(3.0)
    estimator: Any = Ridge().fit(ROWS, TARGET)
    estimator.one_, estimator.other_ = shared, shared
    path = model_files.save(estimator, tmp_path)
    again = model_files.load(path)
    assert again.one_ is again.other_
    assert again.one_.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("value", "suffix"),
    [
        ({"rate": 0.1 + 0.2, "names": ["a", "b"], "none": None}, ".json"),
        ([1, 2.5, "x"], ".json"),
        (np.array([[1.0, np.nan], [-0.0, 5e-324]]), ".npy"),
        ({"b": np.arange(3), "a": np.eye(2, dtype=np.float32)}, ".npz"),
    ],
)
def test_plain_values_come_back_as_they_were(tmp_path: Path, value: Any, suffix: str) -> None:
    first, second = (model_files.save(value, tmp_path, name) for name in ("one", "two"))
    assert first.suffix == suffix
    assert first.read_bytes() == second.read_bytes()
    again = model_files.load(first)
    assert _bits(again) == _bits(value)


def _bits(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {key: _bits(one) for key, one in value.items()}
    return value


@pytest.mark.parametrize(
    "name", ["model.pkl", "model.joblib", "model.dill", "model.skops", "model.npy", "model"]
)
def test_a_pickle_is_not_read_whatever_its_name_and_the_error_says_what_to_save(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Ridge()))
    with pytest.raises(ModelUnsafe, match="scikit-learn as skops, xgboost as ubj"):
        model_files.load(path)


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def array_of_objects() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}, []], dtype=object), allow_pickle=True)
    return buffer.getvalue()


HIDDEN = {
    "a file of PyTorch": archive({"archive/data.pkl": b"x"}),
    "an array of objects": array_of_objects(),
    "a npz with one": archive({"fine.npy": b"", "odd.npy": array_of_objects()}),
    "a pickle": pickle.dumps([1.5]),
    "one after a broken member": archive({"a.npy": b"CUT", "b.pkl": b"x"}).replace(b"CUT", b"cut"),
}


@pytest.mark.parametrize("what", HIDDEN)
def test_a_pickle_within_a_file_is_found_whatever_the_name(tmp_path: Path, what: str) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "weights.bin").write_bytes(HIDDEN[what])
    assert model_files.pickled_file(tmp_path) == "deep/weights.bin"


@pytest.mark.parametrize("comment", [b"", b"PK\x05\x06" + b"\0" * 20])
@pytest.mark.parametrize("is_64_bit", [False, True])
def test_a_zip_with_a_directory_longer_than_that_of_a_model_is_not_looked_into(
    tmp_path: Path, comment: bytes, *, is_64_bit: bool
) -> None:
    """Not read: `zipfile` would make an object of each of a million members."""
    entry = b"PK\x01\x02" + b"\0" * 42
    directory = entry * (70_000 if is_64_bit else 30_000)
    count, length = len(directory) // len(entry), len(directory)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count % 65536, count % 65536, length, 0, len(comment))
    if is_64_bit:
        record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, 0)
        locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, length, 1)
        end = record + locator + end[:8] + b"\xff" * 12 + end[20:]
    (tmp_path / "model.bin").write_bytes(directory + end + comment)
    assert model_files.pickled_file(tmp_path) == "model.bin"


def test_files_of_every_safe_format_hold_no_pickle(tmp_path: Path) -> None:
    for name in ESTIMATORS:
        model_files.save(fitted(name).fitted, tmp_path, name)
    model_files.save({"a": np.eye(2)}, tmp_path, "arrays")
    model_files.save(np.eye(2), tmp_path, "array")
    (tmp_path / "broken.npz").write_bytes(archive({"a": b"x"})[:-9])
    (tmp_path / "empty").write_bytes(b"")
    assert model_files.pickled_file(tmp_path) is None


class Ranker(Ridge):
    """An estimator of one's own."""


def test_a_type_that_nobody_named_is_refused_by_its_name_and_never_made(tmp_path: Path) -> None:
    path = model_files.save(Ranker().fit(ROWS, TARGET), tmp_path)
    with pytest.raises(ModelTypeUntrusted, match=r"would make .*test_model_files\.Ranker") as refusal:
        model_files.load(path)
    again = model_files.load(path, trusted=refusal.value.types)
    assert again.predict(ROWS).tobytes() == Ranker().fit(ROWS, TARGET).predict(ROWS).tobytes()


def test_a_hostile_file_that_would_run_a_command_is_refused(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    dumped = skops.io.dumps(Ridge())
    with zipfile.ZipFile(io.BytesIO(dumped)) as file:
        schema = json.loads(file.read("schema.json"))
    call = {"__class__": "Popen", "__module__": "subprocess", "__loader__": "ObjectNode", "__id__": 1}
    call["__reduce__"] = {"args": [str(ran)]}
    call["content"] = json.loads(json.dumps(schema["content"]))
    path = tmp_path / "model.skops"
    path.write_bytes(archive({"schema.json": json.dumps({**schema, **call}).encode()}))
    with pytest.raises(ModelTypeUntrusted, match=r"subprocess\.Popen"):
        model_files.load(path)
    assert not ran.exists()


@pytest.mark.parametrize(
    "value",
    [
        object(),
        lambda row: row,
        {1.5, 2.5},
        float("nan"),
        np.array([{}], dtype=object),
        {"a": np.array([{}], dtype=object)},
        xgboost.XGBClassifier(n_estimators=1, n_jobs=1).fit(ROWS, TARGET > 0),
        lightgbm.LGBMClassifier(n_estimators=1, verbose=-1, n_jobs=1).fit(ROWS, TARGET > 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_no_safe_format_holds_is_refused_and_leaves_no_file(tmp_path: Path, value: object) -> None:
    with pytest.raises(ModelFormatUnknown):
        model_files.save(value, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_an_unknown_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_bytes(b"x")
    with pytest.raises(ModelFormatUnknown, match=r"model\.h5 has none"):
        model_files.load(tmp_path / "model.h5")


def test_a_classifier_of_scikit_learn_keeps_its_labels(tmp_path: Path) -> None:
    labels = np.where(TARGET > 0, "up", "down")
    estimator = LogisticRegression().fit(ROWS, labels)
    again = model_files.load(model_files.save(estimator, tmp_path))
    assert again.predict(ROWS).tolist() == estimator.predict(ROWS).tolist()
    assert again.predict_proba(ROWS).tobytes() == estimator.predict_proba(ROWS).tobytes()


def test_the_booster_that_is_read_predicts_what_the_estimator_did(tmp_path: Path) -> None:
    trees, leaves = xgb().fit(ROWS, TARGET), lgbm().fit(ROWS, TARGET)
    booster = model_files.load(model_files.save(trees, tmp_path, "trees"))
    assert booster.predict(xgboost.DMatrix(ROWS)).tobytes() == trees.predict(ROWS).tobytes()
    booster = model_files.load(model_files.save(leaves, tmp_path, "leaves"))
    assert booster.predict(ROWS).tobytes() == np.asarray(leaves.predict(ROWS)).tobytes()


def test_a_model_that_saves_a_pickle_is_not_registered() -> None:
    class Careless(EstimatorModel):
        def estimator(self) -> Any:
            return Ridge()

        def save(self, folder: Path) -> None:
            (folder / "weights").write_bytes(pickle.dumps([1.5]))

    with pytest.raises(ModelUnsafe, match="weights is a pickle"):
        registry._model_file(Careless(Params()), ["a"], "toy@1.0.0")
