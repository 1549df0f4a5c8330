"""Asking all hosts of a fleet at once, over any executor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait

from kvmnb.cancelling import check_cancelled
from kvmnb.errors import KvmnbError, NotFound
from kvmnb.fleets.asking import Answer, Question, ask
from kvmnb.fleets.threads import DaemonThreads

#: Is told how many hosts have answered, how many there are, and one that has not.
Tell = Callable[[int, int, str], None]

#: How many hosts the kit's own threads ask at once.
AT_ONCE = 64

#: How often is looked whether the work is to be stopped, in seconds.
_GLANCE = 0.1


def gather(
    questions: Mapping[str, Question], executor: Executor | None = None, tell: Tell | None = None
) -> dict[str, Answer]:
    """Ask all hosts at once.

    Parameters
    ----------
    questions : mapping of str to Question
        The same question to each host, by the host's label.
    executor : concurrent.futures.Executor, optional
        What asks them; threads of this process without it.
    tell : callable, optional
        Told of the progress, by this thread.

    Returns
    -------
    dict
        By label an answer, or why there is none.

    Raises
    ------
    kvmnb.errors.NotFound
        No host has what was asked for by name.
    kvmnb.errors.KvmnbError
        The executor takes no work, or could not do any of it.
    """
    # Threads are made anew each time: what hangs there takes no place from the next question.
    executor = executor or DaemonThreads(AT_ONCE)
    futures: dict[str, Future[Answer]] = {}
    try:
        for label, question in questions.items():
            futures[label] = _submit(executor, question)
        _wait(futures, tell)
    finally:
        for future in futures.values():
            future.cancel()
    answers = {label: _outcome(future) for label, future in futures.items()}
    _check(answers, futures, next(iter(questions.values())))
    return answers


def _submit(executor: Executor, question: Question) -> Future[Answer]:
    try:
        return executor.submit(ask, question)
    except Exception as error:  # others' executors raise what they like; it goes on as the cause
        raise KvmnbError(f"The executor takes no work: {error}", "give the fleet a new one") from error


def _wait(futures: Mapping[str, Future[Answer]], tell: Tell | None) -> None:
    """Wait for all of them, in a way that Ctrl-C and a form's Cancel can end."""
    left = dict(futures)
    while left:
        if tell:
            tell(len(futures) - len(left), len(futures), next(iter(left)))
        check_cancelled()
        # One that an executor which shuts down has cancelled is done, though nobody who waits is told.
        wait(left.values(), _GLANCE, FIRST_COMPLETED)
        left = {label: future for label, future in left.items() if not future.done()}
    if tell:
        tell(len(futures), len(futures), "")


def _outcome(future: Future[Answer]) -> Answer:
    """Give the answer; where whoever was to ask could not, say why."""
    if future.cancelled():
        return Answer(status="not asked", problem="the executor cancelled the question")
    error = future.exception()
    if error is not None:
        return Answer(
            status="not asked", problem=f"whoever was to ask it failed: {type(error).__name__}: {error}"
        )
    return future.result()


def _check(answers: Mapping[str, Answer], futures: Mapping[str, Future[Answer]], question: Question) -> None:
    """Raise where no answer tells anything of a host."""
    statuses = {answer.status for answer in answers.values()}
    if statuses == {"not found"}:
        named = question.options
        kind = next(key for key in ("pool", "guest") if named.get(key) is not None)
        what = f"There is no {kind} {named[kind]!r} on any host of the fleet"
        raise NotFound(what, f"see what there is with the fleet's {kind}s()")
    if statuses == {"not asked"}:
        first = next(iter(answers))
        cause = None if futures[first].cancelled() else futures[first].exception()
        remedy = "see that the executor's workers run, and that kvmnb is installed where they do"
        raise KvmnbError(f"No host could be asked: {answers[first].problem}", remedy) from cause
