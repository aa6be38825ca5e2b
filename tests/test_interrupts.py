"""Work that no signal interrupts halfway: it ends before an interrupt reaches the caller."""

import contextvars
import faulthandler
import os
import signal
import sys
import threading
from _thread import start_new_thread
from time import monotonic, sleep
from typing import NamedTuple

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_array_equal
from problems import random_problem

from skbackprop import Network
from skbackprop.interrupts import Cancellation, Cancelled, shielded
from skbackprop.rows import ArrayRows, RowBlock
from skbackprop.threads import single_threaded_blas

BOUND = 60.0  # seconds, for what should take much less

needs_signals = pytest.mark.skipif(
    os.name == "nt", reason="a process cannot send itself an interrupt here"
)


@pytest.fixture(autouse=True)
def nothing_waits_for_ever():
    faulthandler.dump_traceback_later(5 * BOUND, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


class Interrupt(Exception):  # noqa: N818, as KeyboardInterrupt
    """What the handler of another signal raises."""


@pytest.fixture
def keyboard_interrupts():
    """Ctrl-C raises KeyboardInterrupt, whatever runs the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def interrupts_counted():
    """As above; tells how many have been handled, in a list of one number."""
    handled = [0]

    def handler(number, frame):
        handled[0] += 1
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, handler)
    yield handled
    signal.signal(signal.SIGINT, before)


def wait_for(condition):
    """Whether something happens in time."""
    deadline = monotonic() + BOUND
    while not condition():
        if monotonic() > deadline:
            return False
        sleep(0.001)
    return True


def send_interrupt():
    os.kill(os.getpid(), signal.SIGINT)


class Work:
    """A function that ends when it is asked to, and takes a while to end.

    Parameters
    ----------
    while_ending : callable, optional
        Called when it has been asked.
    end : callable
        How it ends.
    """

    def __init__(self, while_ending=lambda: None, end=lambda: None):
        self.while_ending = while_ending
        self.end = end
        self.begun = threading.Event()
        self.asked = False
        self.ended = False

    def __call__(self, cancellation):
        self.begun.set()
        self.asked = wait_for(lambda: cancellation.requested)
        self.while_ending()
        sleep(0.01)
        self.ended = True
        return self.end()

    def interrupted(self, send=send_interrupt):
        """Call `send` in another thread as soon as the function has begun."""
        threading.Thread(target=lambda: self.begun.wait(BOUND) and send()).start()


def cancel():
    raise Cancelled


def fail():
    raise ZeroDivisionError


# -- requests ----------------------------------------------------------------------------


def test_a_request_to_end_is_found_by_those_who_look_for_it():
    cancellation = Cancellation()
    assert not cancellation.requested
    cancellation.check()
    for _ in range(2):
        cancellation.request()
        assert cancellation.requested
        with pytest.raises(Cancelled):
            cancellation.check()


# -- without an interrupt ----------------------------------------------------------------


@pytest.mark.parametrize("result", [None, 0, [], "something"], ids=repr)
def test_the_result_is_that_of_the_function(result):
    assert shielded(lambda cancellation: result) is result


@pytest.mark.parametrize(
    "error", [ValueError("so"), Cancelled(), SystemExit(3), KeyboardInterrupt()], ids=repr
)
def test_an_error_is_that_of_the_function(error):
    def work(cancellation):
        raise error

    with pytest.raises(type(error)) as found:
        shielded(work)
    assert found.value is error
    # Where it was raised is told, too.
    assert found.traceback[-1].name == "work"


def test_a_function_that_nobody_interrupts_is_not_asked_to_end():
    cancellations = []

    def work(cancellation):
        cancellation.check()
        cancellations.append(cancellation)

    shielded(work)
    shielded(work)
    first, second = cancellations
    assert first is not second
    assert not first.requested
    assert not second.requested


def test_the_main_thread_has_it_done_by_another(no_thread_is_left):
    thread = shielded(lambda cancellation: threading.get_ident())
    assert thread != threading.get_ident()


def test_another_thread_than_the_main_one_does_it_itself():
    found = []

    def outer(cancellation):
        found.append(threading.get_ident())
        # Nobody can interrupt it there, so nobody asks it to end.
        found.append(shielded(lambda inner: inner is cancellation))
        return shielded(lambda inner: threading.get_ident())

    found.append(shielded(outer))
    assert found[0] == found[2] != threading.get_ident()
    assert found[1] is False


def test_many_calls_in_many_threads():
    found = {}

    def call(number):
        found[number] = [shielded(lambda _, i=i: (number, i)) for i in range(100)]

    threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND)
    assert found == {number: [(number, i) for i in range(100)] for number in range(4)}


# -- what a thread does not inherit ------------------------------------------------------


def test_context_variables_have_the_values_of_the_caller():
    variable = contextvars.ContextVar("variable", default="nothing")
    token = variable.set("something")

    def work(cancellation):
        before = variable.get()
        variable.set("else")
        return before, variable.get()

    assert shielded(work) == ("something", "else")
    assert variable.get() == "something"
    variable.reset(token)
    assert shielded(lambda cancellation: variable.get()) == "nothing"


@pytest.mark.parametrize("mode", ["ignore", "raise"])
def test_overflow_is_treated_as_the_caller_does(mode):
    def work(cancellation):
        before = np.geterr()
        np.seterr(all="warn")
        return before

    with np.errstate(over=mode, invalid=mode):
        expected = np.geterr()
        assert shielded(work) == expected
        assert np.geterr() == expected
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        shielded(lambda cancellation: np.array([1e308]) * 10)


def test_the_settings_of_scikit_learn_are_those_of_the_caller():
    before = sklearn.get_config()
    with sklearn.config_context(assume_finite=True, working_memory=17):
        config = shielded(lambda cancellation: sklearn.get_config())
        assert config == sklearn.get_config()
        assert (config["assume_finite"], config["working_memory"]) == (True, 17)
    assert sklearn.get_config() == before


# -- interrupts --------------------------------------------------------------------------


@needs_signals
@pytest.mark.parametrize("end", [lambda: "result", cancel, fail], ids=["result", "cancel", "fail"])
def test_ctrl_c_reaches_the_caller_after_the_function_has_ended(
    keyboard_interrupts, no_thread_is_left, end
):
    work = Work(end=end)
    work.interrupted()
    with pytest.raises(KeyboardInterrupt):
        shielded(work)
    assert work.asked
    assert work.ended


@needs_signals
def test_the_next_call_knows_nothing_of_an_interrupt(keyboard_interrupts):
    for _ in range(3):
        work = Work()
        work.interrupted()
        with pytest.raises(KeyboardInterrupt):
            shielded(work)
        assert work.ended
        assert shielded(lambda cancellation: cancellation.requested) is False


@needs_signals
def test_several_in_a_row_also_while_it_is_ending(interrupts_counted, no_thread_is_left):
    left = threading.Event()

    def send_one():
        before = interrupts_counted[0]
        if not left.is_set():  # else it would end the tests
            send_interrupt()
        assert wait_for(lambda: interrupts_counted[0] > before)
        sleep(0.02)  # the caller waits again

    def send_more():
        for _ in range(5):
            send_one()

    def until_the_end(work):
        try:
            shielded(work)
        finally:
            left.set()

    work = Work(while_ending=send_more)
    work.interrupted(send_one)
    with pytest.raises(KeyboardInterrupt):
        until_the_end(work)
    assert work.ended
    assert interrupts_counted == [6]


@needs_signals
def test_what_the_handler_of_another_signal_raises(no_thread_is_left):
    def handler(number, frame):
        raise Interrupt("time is over")

    def until_the_end(work):
        try:
            shielded(work)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        work = Work()
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Interrupt, match="time is over"):
            shielded(work)
        assert work.ended

        # One that comes again and again.
        work = Work(while_ending=lambda: sleep(0.3))
        signal.setitimer(signal.ITIMER_REAL, 0.2, 0.05)
        with pytest.raises(Interrupt):
            until_the_end(work)
        assert work.ended
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@needs_signals
def test_another_signal_on_top_does_not_replace_the_first(keyboard_interrupts):
    def handler(number, frame):
        alarms.append(number)
        raise Interrupt

    def send_alarm():
        os.kill(os.getpid(), signal.SIGALRM)
        assert wait_for(lambda: alarms)

    alarms = []
    before = signal.signal(signal.SIGALRM, handler)
    try:
        work = Work(while_ending=send_alarm)
        work.interrupted()
        with pytest.raises(KeyboardInterrupt):
            shielded(work)
        assert work.ended
    finally:
        signal.signal(signal.SIGALRM, before)


@needs_signals
def test_a_handler_that_raises_nothing_interrupts_nothing():
    handled = []
    before = signal.signal(signal.SIGINT, lambda number, frame: handled.append(number))
    try:

        def work(cancellation):
            send_interrupt()
            assert wait_for(lambda: handled)
            sleep(0.05)
            return cancellation.requested

        assert shielded(work) is False
        assert handled == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


# -- an interrupt before the function has begun ------------------------------------------


def never(cancellation):
    raise AssertionError("called after the caller was interrupted")


def test_an_interrupt_before_the_thread_is_started(monkeypatch):
    def interrupted(function, arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("skbackprop.interrupts.start_new_thread", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shielded(never)


def test_an_interrupt_while_the_thread_is_being_started(monkeypatch, no_thread_is_left):
    works = [Work() for _ in range(40)]
    pauses = iter([0.0, 0.0001, 0.001, 0.01] * 10)

    def interrupted(function, arguments):
        start_new_thread(function, arguments)
        sleep(next(pauses))
        raise KeyboardInterrupt

    monkeypatch.setattr("skbackprop.interrupts.start_new_thread", interrupted)
    for work in works:
        with pytest.raises(KeyboardInterrupt):
            shielded(work)
        # Over, or not called.
        assert work.ended == work.begun.is_set()
    sleep(0.1)
    # Nor called later.
    assert all(work.ended == work.begun.is_set() for work in works)


def test_an_interrupt_after_the_function_has_begun_and_before_the_caller_waits(monkeypatch):
    work = Work()

    def interrupted(function, arguments):
        start_new_thread(function, arguments)
        assert work.begun.wait(BOUND)
        raise KeyboardInterrupt

    monkeypatch.setattr("skbackprop.interrupts.start_new_thread", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shielded(work)
    assert work.asked
    assert work.ended


def test_an_interrupt_when_the_function_is_over_and_the_caller_does_not_know(monkeypatch):
    over = threading.Event()

    def interrupted(function, arguments):
        start_new_thread(lambda: (function(*arguments), over.set()), ())
        assert over.wait(BOUND)
        raise KeyboardInterrupt

    monkeypatch.setattr("skbackprop.interrupts.start_new_thread", interrupted)
    called = []
    with pytest.raises(KeyboardInterrupt):
        shielded(called.append)
    assert len(called) == 1


def test_a_thread_that_begins_after_the_interrupt_does_nothing(monkeypatch):
    begin, over = threading.Event(), threading.Event()

    def interrupted(function, arguments):
        def late():
            begin.wait(BOUND)
            function(*arguments)
            over.set()

        start_new_thread(late, ())
        raise KeyboardInterrupt

    monkeypatch.setattr("skbackprop.interrupts.start_new_thread", interrupted)
    called = []
    with pytest.raises(KeyboardInterrupt):
        shielded(called.append)
    begin.set()
    assert over.wait(BOUND)
    assert called == []


def test_a_thread_that_cannot_be_started_is_an_error(monkeypatch):
    def full(function, arguments):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("skbackprop.interrupts.start_new_thread", full)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        shielded(never)


# -- passes over rows --------------------------------------------------------------------


class Interrupting(NamedTuple):
    """A sum over blocks during which Ctrl-C is pressed."""

    network: Network
    visited: list

    def __call__(self, block, workspace=None):
        self.visited.append(block.X[0, 0])
        if len(self.visited) == 3:
            send_interrupt()
        sleep(0.02)
        return self

    def copy(self):
        return self

    def add_(self, other):
        return self


class Filling(Interrupting):
    """The same, with a result for each row."""

    def __call__(self, block, workspace=None):
        super().__call__(block, workspace)
        return block.X[:, 0]


@needs_signals
@pytest.mark.parametrize("function", [Interrupting, Filling], ids=["sum", "fill"])
def test_ctrl_c_ends_a_direct_pass_between_two_blocks(
    monkeypatch, keyboard_interrupts, no_thread_is_left, function
):
    monkeypatch.setattr("skbackprop.rows.partition", lambda *args: (2, 4))
    monkeypatch.setattr("skbackprop.rows.THREADING_BYTES", -1)
    X = np.arange(20_000.0)[:, np.newaxis]
    rows = ArrayRows.of(RowBlock(X, np.zeros(len(X), int)), 2)
    unlimited = single_threaded_blas.n_threads()
    visited = []
    work = function(Network((1, 1)), visited)
    arguments = (work, np.empty(len(X))) if function is Filling else (work,)
    with pytest.raises(KeyboardInterrupt):
        (rows.fill if function is Filling else rows.add_up)(*arguments)
    # Of 10000 blocks those of the time that the caller takes to notice, and none afterwards.
    seen = len(visited)
    assert 3 <= seen < 5000
    sleep(0.1)
    assert len(visited) == seen
    assert single_threaded_blas.n_threads() == unlimited


@needs_signals
def test_after_ctrl_c_an_objective_is_as_good_as_before(keyboard_interrupts, no_thread_is_left):
    problem = random_problem((20, 200, 3), 12_000)
    objective = problem.objective(reg_lambda=1, n_jobs=2)
    J, D = objective(problem.theta)
    unlimited = single_threaded_blas.n_threads()

    def evaluate_for_ever():
        while True:
            objective(problem.theta)

    threading.Timer(0.2, send_interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        evaluate_for_ever()
    again, D_again = objective(problem.theta)
    assert again == J
    assert_array_equal(D_again, D)
    assert single_threaded_blas.n_threads() == unlimited
