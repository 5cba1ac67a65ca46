"""The `schedule` role: what follows from events, the slots of schedules, and the leases of runs. One process
acts, others wait.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack

import psycopg

from application.policies import POLICIES
from application.policies.context import PolicyContext
from application.policies.runner import PolicyRunner
from application.schedules.scheduler import Scheduler
from infrastructure.leases import Leases
from infrastructure.postgres.operational import webhook_progress
from infrastructure.postgres.turns import Turn
from infrastructure.roles.policy_progress import PostgresPolicyProgress
from infrastructure.roles.remote_executor import WorkersElsewhere
from infrastructure.roles.role import RoleStatus
from infrastructure.roles.slot_progress import PostgresSlotProgress
from infrastructure.roles.wiring import Core
from infrastructure.schedules.agenda import ViewAgenda
from infrastructure.schedules.ticking import Ticking
from infrastructure.webhooks.teller import teller_of

TURN = "schedule"
SILENCE_S = 10.0
"""An active process that its database session does not hear for so long (it was frozen) loses the turn."""
_LOOK_S = 1.0
"""How often a standby asks for its turn, and the active one whether it still has it."""
_log = logging.getLogger(__name__)


class Schedule:
    """Acts while it has the turn. Policies are fenced besides, and what they send has one effect."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._turn = Turn(core.database_url, TURN, silence_s=SILENCE_S)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._take_turns, name="schedule", daemon=True)
        self._is_active = False
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Begin to ask for the turn."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the policy in hand, save how far they have come, and let another process act."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def status(self) -> RoleStatus:
        """Active, or a standby: both are ready."""
        detail = (
            "acts on events, keeps schedules and watches leases" if self._is_active else "waits for its turn"
        )
        return RoleStatus(ready=self.failure is None, detail=detail, facts={"active": self._is_active})

    def _take_turns(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._turn.take():
                    self._act()
            except psycopg.OperationalError as error:
                _log.warning("the database is away: %s", error)
            except Exception:
                _log.exception("the turn ended with an error; another one is asked for")
            finally:
                self._is_active = False
                self._turn.release()
            self._stopping.wait(_LOOK_S)

    def _act(self) -> None:
        """Work until told to stop, or until the turn or the fence is lost."""
        with ExitStack() as parts:
            self._tell(parts)
            policies = self._policies()
            policies.start()
            parts.callback(policies.stop)
            leases = self._leases()
            leases.start()
            parts.callback(leases.close)
            slots = self._slots()
            slots.start()
            parts.callback(slots.stop)
            self._is_active = True
            _log.info("active: policies, schedules and leases")
            while not self._stopping.wait(_LOOK_S):
                if policies.failure is not None or not self._turn.is_held():
                    _log.warning("no longer active")
                    return

    def _tell(self, parts: ExitStack) -> None:
        """Tell the webhook, where there is one, of alerts; a successor goes on where this one stopped."""
        core = self._core
        progress = PostgresPolicyProgress(core.operations, core.log, core.clock, webhook_progress)
        teller = teller_of(core.settings, self._context(), progress)
        teller.start()
        parts.callback(teller.stop)

    def _context(self) -> PolicyContext:
        core = self._core
        return PolicyContext(services=core.services, bus=core.bus, executor=WorkersElsewhere(core.book))

    def _policies(self) -> PolicyRunner:
        core = self._core
        progress = PostgresPolicyProgress(core.operations, core.log, core.clock)
        return PolicyRunner(POLICIES, self._context(), progress)

    def _slots(self) -> Ticking:
        core = self._core
        agenda = ViewAgenda(core.views.store, core.views.wait)
        progress = PostgresSlotProgress(core.operations, core.log)
        return Ticking(Scheduler(core.services, core.bus, agenda, progress), core.clock)

    def _leases(self) -> Leases:
        core = self._core
        everyone: Callable[[object], bool] = lambda _run: True  # noqa: E731 - workers die too
        return Leases(
            core.bus,
            core.views.queries,
            core.log,
            core.clock,
            core.work.tenants_with_runs,
            book=core.book,
            is_watched=everyone,
        )
