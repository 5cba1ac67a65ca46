"""What is wrong with a definition package."""

from domain.shared.errors import Kind, RuleBroken


class DefinitionPackageMalformed(RuleBroken):
    """The package is not a zip that can be opened safely."""

    remedy = "Pack the folder with `optaic-mlops definition check` or optaic.mlops.packaging.pack."


class DefinitionPackageTooLarge(RuleBroken):
    """The package has too many files, is too large, or unpacks to far more than it weighs."""

    kind = Kind.TOO_LARGE
    remedy = "Leave data and model files out of the package; datasets belong into the dataset store."


class DefinitionManifestMalformed(RuleBroken):
    """definition.toml is missing, cannot be read, or says something that it may not say."""

    remedy = "Compare definition.toml with docs/definition-packages.md."


class DefinitionVersionMalformed(RuleBroken):
    """The version is not a semantic version such as 1.2.0."""

    remedy = "Use major.minor.patch, with -pre.release where needed; no build metadata."


class DefinitionComponentMissing(RuleBroken):
    """A definition has five components and docs; one of them is not there."""

    remedy = "Add the folder: model, training, inference, monitoring, tests (test_*.py) and docs (*.md)."


class DefinitionEntryPointMissing(RuleBroken):
    """A required entry point is not named, or its module is not in the component that it belongs to."""

    remedy = "Name model, features, target, trainer, evaluator, predictor and monitor as module.path:Class."
