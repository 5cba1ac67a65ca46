"""What can stop a projection."""

from domain.shared.errors import Kind, RuleBroken


class ViewFenced(RuleBroken):
    """Another projector owns this view, or it stands at another position: nothing was written."""

    kind = Kind.UNAVAILABLE
    remedy = "Let the present owner go on; a stopped process must be started again, not resumed."


class ViewRowMissing(RuleBroken):
    """An event changes something that the log never introduced."""

    kind = Kind.UNAVAILABLE
    remedy = "Verify the log; if it is whole, this is a fault of the view, which stopped before the event."


class ViewStopped(RuleBroken):
    """The view stopped at an event that it could not fold."""

    kind = Kind.UNAVAILABLE
    remedy = "See its error under /api/v1/system/projections; rebuild it with code that can fold the event."


class ViewOfLaterRelease(RuleBroken):
    """The view is served in a later form than this code knows."""

    kind = Kind.UNAVAILABLE
    remedy = "Deploy the release that rebuilt it, here too."


class ViewBeingRebuilt(RuleBroken):
    """Another rebuild or verification of the views is under way."""

    kind = Kind.STATE
    remedy = "Wait for its end; two at once would only take each other's time."


class ViewUnknown(RuleBroken):
    """No view has this name."""

    kind = Kind.NOT_FOUND
    remedy = "Use one of the names listed under /api/v1/system/projections."
