"""What a run refuses."""

from domain.shared.errors import Kind, RuleBroken


class RunUnknown(RuleBroken):
    """There is no such run."""

    kind = Kind.NOT_FOUND
    remedy = "List what there is: GET /api/v1/runs?instance=<name>."


class RunExists(RuleBroken):
    """A run has this id already."""

    kind = Kind.STATE
    remedy = "Leave run_id out, or take a new UUIDv7."


class RunAlreadyFinished(RuleBroken):
    """A finished run never changes."""

    kind = Kind.STATE
    remedy = "Submit a new run; `retry_of` may name this one."


class RunAlreadyClaimed(RuleBroken):
    """Another worker started this run first."""

    kind = Kind.STATE
    remedy = "Take another pending run."


class RunNotStarted(RuleBroken):
    """Only a running run can report metrics or complete."""

    kind = Kind.STATE
    remedy = "Start the run first."


class RunOutputMissing(RuleBroken):
    """A training hands over a model file and an inference its rows; this result has none."""

    remedy = "Store the output as a blob and name its SHA-256 in `artifact` or `output_sha256`."


class RunOutputUnexpected(RuleBroken):
    """This kind of run does not make that kind of output."""

    remedy = "Only trainings hand over an artifact, and only inferences rows."


class RunDecisionsInvalid(RuleBroken):
    """The range of decision dates cannot be used."""

    remedy = "Give `first` and `last` together, first not after last, for an inference run only."


class RunBackfillInvalid(RuleBroken):
    """The range or the rhythm of a backfill cannot be used."""

    remedy = "Refit every 1y, 2q or 6m, or so many sessions; with `refit`, leave model_version and as_of out."


class RunNotReproducible(RuleBroken):
    """Only a completed training of the service's own can be done again as it was recorded."""

    kind = Kind.STATE
    remedy = "Name a completed training run with executor `local`, or the model version that it made."


class RunNotRetryable(RuleBroken):
    """Only a run that failed or was cancelled is retried."""

    kind = Kind.STATE
    remedy = "Wait for its end, or submit a new run."


class RunTriggerReserved(RuleBroken):
    """The trigger says what the service itself does with the run."""

    remedy = "Use POST /api/v1/runs/{id}/reproduce, or leave `trigger` out."


class RunInputsInvalid(RuleBroken):
    """Inputs are declared by external trainings only; other runs pin what their instance binds."""

    remedy = "Leave `inputs` out, or submit the run with executor `external`."


class RunExecutorInvalid(RuleBroken):
    """Only trainings can be done elsewhere."""

    remedy = "Leave `executor` out."


class RunRetryInvalid(RuleBroken):
    """A retry names an earlier run of the same instance and kind."""

    remedy = "Leave `retry_of` out, or name a run of this instance and kind."


class RunTokenInvalid(RuleBroken):
    """The worker's side of a run needs the token that the run was claimed with."""

    kind = Kind.FORBIDDEN
    remedy = "Send the token that starting the run returned, as `X-Run-Token: …`."


class RunInstanceClosed(RuleBroken):
    """The instance was archived while the run was pending."""

    kind = Kind.STATE
    remedy = "Nothing to do: pending runs of an archived instance are cancelled."
