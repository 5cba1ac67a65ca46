"""What finding and starting the embedded service refuses."""

from domain.shared.errors import Kind, RuleBroken


class ServiceNotReachable(RuleBroken):
    """No service answers."""

    kind = Kind.UNAVAILABLE
    remedy = "Start one with `optaic-mlops up`, or check --url and --data."


class ServiceStartFailed(RuleBroken):
    """The embedded service was started and ended before it was ready."""

    kind = Kind.UNAVAILABLE
    remedy = "Read service.log in the data folder; `optaic-mlops up` shows the same in the terminal."


class ServiceAlreadyRunning(RuleBroken):
    """A service has this data folder already."""

    kind = Kind.STATE
    remedy = "Use it: its address is in the detail and in service.json; or stop it first."


class ServicePortTaken(RuleBroken):
    """Another program listens on the port."""

    kind = Kind.STATE
    remedy = "Choose another with --port; 0 takes any that is free."
