"""What the HTTP edge itself refuses, before any rule of the domain is asked."""

from domain.shared.errors import Kind, RuleBroken


class HostNotAllowed(RuleBroken):
    """The `Host` header names another machine: a page elsewhere may be using this browser."""

    kind = Kind.FORBIDDEN
    remedy = "Use http://127.0.0.1, http://localhost or http://[::1] with the service's own port."


class OriginNotAllowed(RuleBroken):
    """A write that a page of another site started."""

    kind = Kind.FORBIDDEN
    remedy = "Send writes from the service's own pages, or from a program that sets no `Origin`."


class RequestRouteUnknown(RuleBroken):
    """There is nothing at this address."""

    kind = Kind.NOT_FOUND
    remedy = "/api/docs lists all addresses."


class RequestMethodUnknown(RuleBroken):
    """The address exists, but not with this method."""

    kind = Kind.MALFORMED
    remedy = "The `Allow` header names the methods of this address."


class RequestParameterUnknown(RuleBroken):
    """A query parameter that this address does not have, or twice one that it takes once."""

    kind = Kind.MALFORMED
    remedy = "Leave it out; /api/docs lists the parameters of each address."


class RequestParameterMalformed(RuleBroken):
    """A parameter or header is not of its form."""

    kind = Kind.MALFORMED
    remedy = "Compare it with /api/docs; the detail names it."


class RequestTooLarge(RuleBroken):
    """The body is larger than the service takes."""

    kind = Kind.TOO_LARGE
    remedy = "Send JSON up to 1 MiB; larger content goes to POST /api/v1/blobs or in several uploads."


class RequestMediaTypeUnsupported(RuleBroken):
    """The body is not of a media type that this address takes."""

    kind = Kind.UNSUPPORTED
    remedy = "Set Content-Type to what /api/docs names for this address, such as application/json."


class RequestIncomplete(RuleBroken):
    """The connection ended before the whole body was there."""

    kind = Kind.MALFORMED
    remedy = "Send the request again; nothing was written."


class CommandNotFromOutside(RuleBroken):
    """The command is the service's own, or the worker's side of a run."""

    kind = Kind.FORBIDDEN
    remedy = "Workers use POST /api/v1/runs/{id}/start and what follows; the others cannot be sent."


class EventUnknown(RuleBroken):
    """There is no event of this tenant at the position."""

    kind = Kind.NOT_FOUND
    remedy = "X-Log-Position of any answer names the head; positions start at 1."


class LineageNodeUnknown(RuleBroken, resource="lineage_node"):
    """The lineage graph has no such node at that moment."""

    kind = Kind.NOT_FOUND
    remedy = "Nodes are dataset versions, runs and model versions, such as model_version:spx-alpha@3."


class ResourceUnknown(RuleBroken):
    """Nothing has this reference at that moment."""

    kind = Kind.NOT_FOUND
    remedy = "GET /api/v1/search?q=… finds names."


class RunReportMissing(RuleBroken):
    """The run handed in no such report."""

    kind = Kind.NOT_FOUND
    remedy = "Completed monitoring runs have one, and Evidently's page unless their monitor switched it off."


class RunLogMissing(RuleBroken):
    """The run has no log that could be shown."""

    kind = Kind.NOT_FOUND
    remedy = "A log is there once the run's process has started."


class ServiceInternalError(RuleBroken):
    """Something in the service failed that should not have."""

    kind = Kind.UNAVAILABLE
    remedy = (
        "Send the same request again; if it stays, report the correlation id: the service's log explains."
    )


class RequestParametersConflict(RuleBroken):
    """Two parameters that exclude each other."""

    kind = Kind.MALFORMED
    remedy = "Send one of the two."


class RequestNotAcceptable(RuleBroken):
    """`Accept` names no media type in which this can be answered."""

    kind = Kind.UNSUPPORTED
    remedy = "Accept application/json, or another media type that /api/docs names for this address."
