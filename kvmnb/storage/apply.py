"""Running a plan: check, run, read again, verify; and undo where a step fails."""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any

import libvirt
import pandas as pd

from kvmnb.cancelling import check_cancelled, uncancellable
from kvmnb.errors import ActionFailed, Cancelled, KvmnbError, ReadOnly, Unreachable
from kvmnb.schema import APPLIED
from kvmnb.storage.action import Action, met
from kvmnb.storage.audit import Audit
from kvmnb.storage.connection import Connection
from kvmnb.storage.inventory import read_inventory
from kvmnb.storage.model import Inventory, refusals
from kvmnb.storage.plan import Plan, check, refusal
from kvmnb.storage.streams import Progress, silent

#: Makes the reporter of one action's progress; gets the action's words.
MakeProgress = Callable[[str], Progress]

# One lock per daemon and pool, for all of this process: libvirt refuses a pool that is busy.
_locks: defaultdict[tuple[str, str], threading.RLock] = defaultdict(threading.RLock)


@dataclass
class _Done:
    """What became of one step."""

    action: Action
    outcome: str
    changed: bool
    undo: tuple[Action, ...] = ()
    identity: str = ""
    checks: list[tuple[str, str | None, str | None, bool | None]] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """What is not as it was expected to be, in words."""
        return [
            f"the {what} is {actual}, not {expected}"
            for what, expected, actual, ok in self.checks
            if ok is False
        ]


def apply(
    connection: Connection, plan: Plan, audit: Audit, progress: MakeProgress | None = None
) -> pd.DataFrame:
    """Run a plan.

    Everything is read anew and checked again first, and each step once more just before it runs: what a
    form or an earlier look has shown may be old.

    Parameters
    ----------
    connection : Connection
        With write access.
    plan : Plan
        What to do.
    audit : Audit
        Gets the intent before, and the outcome after each step.
    progress : callable, optional
        Gets an action's words and gives what is told of its progress.

    Returns
    -------
    pandas.DataFrame
        The `kvmnb.schema.APPLIED` frame: expected and actual, step by step.

    Raises
    ------
    ReadOnly
        The connection is for reading.
    Refused
        The plan has problems; nothing was done.
    ActionFailed
        A step failed or left something else than expected; ``report`` is the frame so far.
    """
    if connection.readonly:
        raise ReadOnly(
            f"This connection to {connection.uri} is for reading", "use kvmnb.connect(readonly=False)"
        )
    with ExitStack() as locked:
        # In one order, so that two plans cannot wait for each other: what another thread of this process
        # has half made in one of these pools must not be taken for what was there.
        for pool in sorted({action.pool for action in plan.actions}):
            locked.enter_context(_locks[connection.uri, pool])
        checked = check(plan.title, plan.actions, read_inventory(connection))
    if checked.problems:
        raise refusal(checked.problems)
    run = _Run(connection, audit, progress)
    for number, action in enumerate(plan.actions, 1):
        with _Attempt(run, plan, number):
            run.step(action)
        if run.steps[-1].wrong:
            run.unverified()
            raise _give_up(run, plan, "; ".join(run.steps[-1].wrong), None)
    return _report(run, plan)


@dataclass
class _Attempt:
    """One step: however it ends other than well, what had been done before is undone, and that is told."""

    run: _Run
    plan: Plan
    number: int

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        why = error.what if isinstance(error, KvmnbError) else str(error) or "it was interrupted"
        self.run.fail(self.number, self.plan.actions[self.number - 1], why)
        told = _give_up(self.run, self.plan, why, error)
        if isinstance(error, KvmnbError | OSError):
            raise told from error
        # Ctrl-C stays Ctrl-C, and a fault stays what it is; how things stand is said all the same.
        error.add_note(str(told))


@dataclass
class _Run:
    """A plan under way."""

    connection: Connection
    audit: Audit
    progress: MakeProgress | None
    steps: list[_Done] = field(default_factory=list)

    def step(self, action: Action) -> None:
        """Run one action, if it is not so already, and look at what it left."""
        check_cancelled()
        with _locks[self.connection.uri, action.pool]:
            before = read_inventory(self.connection)
            problems = refusals(action.problems(before))
            if problems:
                raise refusal(problems)
            if action.already(before):
                done = _Done(action, "already so", changed=False)
                self.steps.append(done)
            else:
                done = _Done(action, "done", changed=True, undo=action.inverse(before))
                self._change(done)
            done.checks += _verify(action, read_inventory(self.connection))
            if done.undo:  # a call that libvirt cannot break off has ended, and is taken back
                check_cancelled()

    def _change(self, done: _Done) -> None:
        try:
            self._run(done.action, done)
        except (KeyboardInterrupt, Unreachable, Cancelled):
            # A call of libvirt that is under way comes to its end before Ctrl-C is heard, and one whose
            # answer was lost may have been done. One that libvirt refused was not: what is there now, such
            # as a volume of that name, is another client's, and must not be undone.
            with suppress(KvmnbError), uncancellable():
                if done not in self.steps and done.undo and met(done.action, read_inventory(self.connection)):
                    done.outcome = "failed, but took effect"
                    self.steps.append(done)
            raise

    def _run(self, action: Action, done: _Done | None = None) -> None:
        words = action.describe()
        progress = self.progress(words) if self.progress else silent
        identity = self.audit.intent(action)

        def tell(done: int, total: int) -> None:
            check_cancelled()
            progress(done, total)

        def call(raw: libvirt.virConnect) -> None:
            action.run(raw, tell)

        ended = False
        try:
            self.connection.change(words[:1].lower() + words[1:], call, patient=action.patient)
            ended = True
            if done is not None:
                # Before it is logged or verified: no failure of these may make it forgotten.
                done.identity = identity
                self.steps.append(done)
        finally:
            # Without the flag, an undo would take the failure that it is the answer to for its own.
            error = None if ended else str(sys.exception()) or "it was interrupted"
            self.audit.outcome(identity, "done" if ended else "failed", action, error)

    def unverified(self) -> None:
        """Log that the last step left something else than was expected."""
        last = self.steps[-1]
        if last.identity:
            self.audit.outcome(last.identity, "unverified", last.action, "; ".join(last.wrong))

    def fail(self, number: int, action: Action, why: str) -> None:
        """Note that a step failed, where it is not noted as done already."""
        if len(self.steps) < number:
            self.steps.append(_Done(action, f"failed: {why}", changed=False))

    def undo(self) -> Iterator[str]:
        """Undo what was done, the last step first; give what could not be undone, in words."""
        for done in reversed(self.steps):
            if not done.changed:
                continue
            try:
                for action in done.undo:
                    before = read_inventory(self.connection)
                    problems = refusals(action.problems(before))
                    if problems:
                        raise refusal(problems)
                    self._run(action)
            except KvmnbError as error:
                yield f"{done.action.describe()!r} could not be undone: {error.what}"
                continue
            if done.undo:
                done.outcome = "undone"
            else:
                yield f"{done.action.describe()!r} cannot be undone"


def _verify(action: Action, seen: Inventory) -> list[tuple[str, str | None, str | None, bool | None]]:
    """Compare what is with what was expected; walks the expectations, so that a missing thing shows."""
    return [(e.check, *e.compare(seen)) for e in action.expected()]


def _give_up(run: _Run, plan: Plan, why: str, cause: BaseException | None) -> ActionFailed:
    """Undo where the plan wants it, and make the error that tells how things stand now."""
    number = len(run.steps)
    failed = run.steps[-1].action.describe()
    what = f"{plan.title}: step {number} of {len(plan)} failed ({failed}): {why.rstrip('.')}"
    before = [done for done in run.steps if done.changed]
    if not before:
        state = "nothing was changed"
    elif plan.undo_on_failure:
        with uncancellable():
            left = list(run.undo())
        state = "what had been done before was undone" if not left else "; ".join(left)
    else:
        state = f"{len(before)} steps before it were done and stay"
    remedy = cause.remedy if isinstance(cause, KvmnbError) else "mend the cause and apply the plan again"
    return ActionFailed(f"{what}; {state}", remedy, _report(run, plan))


def _report(run: _Run, plan: Plan) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for number, action in enumerate(plan.actions, 1):
        done = run.steps[number - 1] if number <= len(run.steps) else _Done(action, "not done", changed=False)
        head = {
            "step": number,
            "what": action.describe(),
            "outcome": done.outcome,
            "changed": done.changed and done.outcome != "undone",
        }
        checks = done.checks or [(None, None, None, None)]  # type: ignore[list-item]
        rows += [
            {**head, "check": what, "expected": expected, "actual": actual, "verified": ok}
            for what, expected, actual, ok in checks
        ]
    undo = [
        {"action": type(action).__name__, "fields": asdict(action)}  # type: ignore[call-overload]
        for done in reversed(run.steps)
        if done.outcome == "done"
        for action in done.undo
    ]
    connection = run.connection
    read_at = pd.Timestamp.now("UTC").isoformat()
    return APPLIED.build(
        rows, host=connection.host, uri=connection.uri, read_at=read_at, title=plan.title, undo=undo
    )
