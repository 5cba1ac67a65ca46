"""What a dataset refuses, beside the `pit.*` rules."""

from domain.shared.errors import Kind, RuleBroken


class DatasetUnknown(RuleBroken):
    """There is no such dataset or dataset version."""

    kind = Kind.NOT_FOUND
    remedy = "List what there is: GET /api/v1/datasets, or `optaic-mlops dataset list`."


class DatasetExists(RuleBroken):
    """A dataset has this name."""

    kind = Kind.STATE
    remedy = "Choose another name, or write to the dataset that exists."


class DatasetDeclarationInvalid(RuleBroken):
    """The declaration contradicts itself."""

    remedy = "Name each column once, none of entity, date, knowledge_date, seq, op; and a known calendar."


class DatasetEmpty(RuleBroken):
    """The dataset has no version that can be read yet."""

    kind = Kind.STATE
    remedy = "Write a version first: POST /api/v1/datasets/{name}/versions."


class DatasetWrittenByRunsOnly(RuleBroken):
    """A prediction dataset is written by its instance's inference runs and by nobody else."""

    kind = Kind.STATE
    remedy = "Submit an inference run of its instance, or create a source dataset."


class DatasetNotOfInstance(RuleBroken):
    """The run belongs to another instance than this prediction dataset."""

    kind = Kind.STATE
    remedy = "A run writes to its own instance's output dataset."


class DatasetVersionPending(RuleBroken):
    """A version registered by another service has not been verified yet; the next one builds on it."""

    kind = Kind.STATE
    remedy = "Wait until it is verified or rejected, then write again."


class DatasetParentStale(RuleBroken):
    """The parent named is not the newest version."""

    kind = Kind.STATE
    remedy = "Build on the newest version; GET /api/v1/datasets/{name} names it."


class DatasetVersionNotReadable(RuleBroken):
    """The version is registered but not verified, or was rejected."""

    kind = Kind.STATE
    remedy = "Read another version, or wait for the verification."


class DatasetVersionPurgedAlready(RuleBroken):
    """The bytes of this version were purged; manifest and history stay."""

    kind = Kind.GONE
    remedy = "Read a version that does not need them; the history of the dataset says why they went."


class DatasetNeededByProduction(RuleBroken):
    """A production model version was trained on this version."""

    kind = Kind.STATE
    remedy = "Archive those model versions first, or force the purge with a reason."


class DatasetRowsChanged(RuleBroken):
    """A compaction must keep the same rows, proved by their hash."""

    kind = Kind.STATE
    remedy = "Nothing was changed; run `optaic-mlops verify` to find the damaged file."
