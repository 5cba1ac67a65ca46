"""The model file: a folder with `model.json` (what is needed to use the model) and the model's own files in
`model/`.
"""

import json
from pathlib import Path
from typing import Any

import pydantic

from optaic.mlops.base import BaseModel

INDEX = "model.json"
FILES = "model"


class ModelIndex(pydantic.BaseModel):
    """What stands beside the model's own files: equal runs write equal bytes."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    form: int = 1
    definition: str
    entry_point: str
    format: str
    features: tuple[str, ...]
    """The feature columns in the order that the model was fitted on."""
    hyper_parameters: dict[str, Any]
    output_columns: dict[str, str]


def write_model(folder: Path, model: BaseModel, index: ModelIndex) -> None:
    """Save a fitted model and its index below an empty folder."""
    files = folder / FILES
    files.mkdir(parents=True)
    model.save(files)
    content = json.dumps(index.model_dump(mode="json"), sort_keys=True, indent=1, allow_nan=False)
    (folder / INDEX).write_text(content + "\n", encoding="utf-8")


def read_index(folder: Path) -> ModelIndex:
    """The index of an unpacked model file; raises pydantic.ValidationError."""
    return ModelIndex.model_validate_json((folder / INDEX).read_bytes())


def read_model(folder: Path, model: type[BaseModel], index: ModelIndex) -> BaseModel:
    """Load the model that `write_model` saved."""
    return model.load(folder / FILES, model.Params.model_validate(index.hyper_parameters))
