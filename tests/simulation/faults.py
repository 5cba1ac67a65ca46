"""What may go wrong in a simulation, and the bugs that it is to find."""

from dataclasses import dataclass
from enum import Enum


class Crashed(BaseException):
    """The process is gone at this very place."""


class DatabaseAway(Exception):
    """The database does not answer; what was asked may have been done all the same."""


class Bug(Enum):
    """A fault of the code, put in by the simulation's own parts: each must be found."""

    NO_FENCE = "progress moves whoever owns it"
    PROGRESS_APART = "progress is committed before the rows, in a transaction of its own"
    ROWS_APART = "rows are committed before the progress, in a transaction of their own"
    NO_HOLE_DETECTION = "a message is taken as the next, whatever is missing before it"
    TENANT_CHAIN_ONLY = "the publisher does not say what came before in the partition"
    KAFKA_OFFSETS = "an assignment goes on behind the last message that was fetched"
    NO_REDELIVERY_CHECK = "a message that comes again is folded again"
    PROGRESS_BEFORE_ACKNOWLEDGEMENT = "the relay moves on before the broker has said yes"
    RELAY_NO_FENCE = "a relay that was replaced moves the progress row all the same"


class CommandBug(Enum):
    """The same of the way of commands."""

    COMMIT_BEFORE_EFFECT = "what was polled is committed before it is worked on"
    COMMIT_BEFORE_ANSWER = "what was worked on is committed before its answers are on the broker"
    NO_ANSWER_TO_A_REPETITION = "a command that was decided before gets no answer"
    NO_LOOK_UP = "nobody looks whether a command id was seen before"
    KEY_SIDE_BY_SIDE = "commands of one key are worked on side by side"
    LEFT_IS_COMMITTED = "a step that ends early commits everything that was polled"
    ANSWERS_UNDELIVERED_GO_ON = "answers that the broker did not take are not sent again"


@dataclass(frozen=True)
class Chances:
    """How often things go wrong, as one in so many steps; 0: never."""

    crash: int = 30
    away: int = 60
    freeze: int = 25
    broker_crash: int = 60
    lost_message: int = 0
    rebalance: int = 25
    refused: int = 8
    """What several views folded is not written in one transaction, as if a row of one could not be."""
