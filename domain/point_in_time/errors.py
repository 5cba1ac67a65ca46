"""The rules of point in time, one error each. Codes are `pit.*`."""

from domain.shared.errors import Kind, RuleBroken


class PitNaiveTimestamp(RuleBroken):
    """A time without an offset, or a bare date without a calendar, names no moment (R4)."""

    kind = Kind.MALFORMED
    remedy = (
        "Give times with an offset, such as 2024-03-08T21:05:00Z; a bare date only where there is a calendar."
    )


class PitBackdatedWrite(RuleBroken):
    """A row claims to have been known before the newest knowledge that the dataset already holds (R5)."""

    remedy = "Mark the version `backfill` if it is history being loaded; else give the true knowledge_date."


class PitKnowledgeInFuture(RuleBroken):
    """A row claims to become known more than five minutes after it was written."""

    remedy = "Write the row once it is known; one such row would raise the high-water mark for ever."


class PitKnowledgeBeforeDate(RuleBroken):
    """A row was known before its date began, in a dataset that holds no forecasts (R8)."""

    remedy = (
        "Declare the dataset `forward_looking` or with enough `early_days`, or correct the knowledge_date."
    )


class PitModelFromFuture(RuleBroken):
    """The model saw data later than the decision that it is asked for (R6)."""

    remedy = (
        "Use a version with an earlier `trained_as_of`, or predict later sessions; backfill --refit retrains."
    )


class PitTrainAfterPredict(RuleBroken):
    """A prediction used for training or evaluation is of a model that had already seen its date (L5)."""

    remedy = "Train on out-of-sample predictions only: `trained_as_of` is at or before each decision time."


class PitInputNotDeclared(RuleBroken):
    """The run reads a dataset that was not pinned when it was submitted (R12)."""

    kind = Kind.FORBIDDEN
    remedy = "Add the dataset to the instance's inputs and submit a new run."


class PitReadAfterAsOf(RuleBroken):
    """The run reads later than the moment it was given (R12)."""

    kind = Kind.FORBIDDEN
    remedy = "Read at the run's `as_of` or earlier; submit a run with a later `as_of` for more."


class PitLookahead(RuleBroken):
    """A feature or prediction changes when rows known only later are removed or disturbed."""

    remedy = "Use rows known at the decision only: no centred windows, full-sample statistics, back-filling."


class PitSurvivorship(RuleBroken):
    """A dataset holds survivors only, or the universe of every past decision is the last's (a warning)."""

    remedy = (
        "Load the entities that were delisted with their tombstones; until then, take results as optimistic."
    )


class PitDecisionTimeMalformed(RuleBroken):
    """A decision time is HH:MM and an IANA zone."""

    kind = Kind.MALFORMED
    remedy = "Write it such as `16:30 America/New_York`."


class PitRestatedHistory(RuleBroken):
    """Space `official` refuses restated history unless the input is proved scale-free (L3): an issue of a
    gate, which no override passes.
    """

    remedy = (
        "Use `history: vintage` and observed data, or declare the input scale_free; the evaluation proves it."
    )
