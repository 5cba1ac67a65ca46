"""How a run's process can end badly, and what its socket refuses."""

from domain.shared.errors import Kind, RuleBroken


class RunLeaseExpired(RuleBroken):
    """The run did not report for as long as its lease lasts."""

    kind = Kind.STATE
    remedy = "Read the run's log: its process hung or was stopped. Submit a new run with retry_of."


class RunTimeLimit(RuleBroken):
    """The run was not done within its time limit."""

    kind = Kind.STATE
    remedy = "Raise limits.time_s of the instance, or give the run less to do."


class RunMemoryLimit(RuleBroken):
    """The run needed more memory than its limit."""

    kind = Kind.STATE
    remedy = "Raise limits.memory_mib of the instance, or give the run less to do."


class RunProcessLimit(RuleBroken):
    """The run had more processes at once than a run may have."""

    kind = Kind.STATE
    remedy = "Start fewer processes in the definition's code; a run has few processors anyway."


class RunDiskLimit(RuleBroken):
    """The run wrote more, or larger, files than a run may have."""

    kind = Kind.STATE
    remedy = "Keep less on disk in the definition's code; results are staged, inputs are there already."


class RunDiskFull(RuleBroken):
    """The disk that runs write to is nearly full."""

    kind = Kind.UNAVAILABLE
    remedy = "Make room on the disk of the data folder or of the worker, then submit a new run with retry_of."


class RunCrashed(RuleBroken):
    """The run's process ended with an error."""

    kind = Kind.STATE
    remedy = "The last lines of its output are in the message, all of it in the run's log."


class RunKilled(RuleBroken):
    """The run's process was ended by a signal from outside."""

    kind = Kind.STATE
    remedy = "Look for what sends signals on this machine (out of memory, an operator), then submit again."


class RunWorkerLost(RuleBroken):
    """The service that ran it ended; its processes ended with it."""

    kind = Kind.STATE
    remedy = "Submit a new run with retry_of."


class RunCallMalformed(RuleBroken):
    """The run's process sent something that is no call of its protocol."""

    kind = Kind.MALFORMED
    remedy = "Use optaic.mlops inside a run; its protocol is described in optaic.mlops.runner.protocol."


class RunOutputMalformed(RuleBroken):
    """What the run staged is not a file of its own folder, or not of the form that its kind hands over."""

    remedy = "Stage files below the run's working folder, written by the SDK."


class RunModelUnsafe(RuleBroken):
    """The model was saved in a form that runs code when it is read."""

    remedy = "Save scikit-learn with skops, xgboost as ubj or json, lightgbm as text, arrays as npy."


class RunFeaturesMalformed(RuleBroken):
    """The definition's features are not one row a (entity, date) with the columns that were asked for."""

    remedy = "Correct the features of the definition, or feature_cols of the instance's config."


class RunDriftMethodUnknown(RuleBroken):
    """The definition's monitor names a way of measuring drift that there is not."""

    remedy = "Use psi, wasserstein or ks in drift_method and drift_columns of the definition's monitor."


class RunTargetMalformed(RuleBroken):
    """The definition's target is not one row a (entity, date) with target and outcome."""

    remedy = "Correct the target of the definition."


class RunTargetUnknown(RuleBroken):
    """No input has the column that the instance names as its target."""

    remedy = "Name a column of one of the training datasets in target_col, or leave it out."


class RunNothingToTrain(RuleBroken):
    """No row has both features and a label that is known at the run's as_of."""

    remedy = (
        "Train as of a later moment, or look at the datasets' first dates and the definition's decisions."
    )


class RunMetricNotFinite(RuleBroken):
    """The definition's evaluator gave a metric that is no finite number."""

    remedy = "Correct the evaluator of the definition."


class RunHyperParametersInvalid(RuleBroken):
    """The definition's own check refuses the hyper-parameters."""

    remedy = "Correct hyper_parameters of the instance, or params of the run."
