import gc
import os
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from time import monotonic, sleep

import numpy as np
import pytest
from joblib import cpu_count
from numpy.testing import assert_array_equal
from problems import random_problem
from threadpoolctl import ThreadpoolController, threadpool_limits

from skbackprop import BackpropClassifier
from skbackprop.rows import partition
from skbackprop.threads import resolve_n_jobs, row_threads, single_threaded_blas

TIMEOUT = 30  # seconds, for threads that wait for each other


@cache
def blas_libraries():
    """Found once: looking for all loaded libraries takes milliseconds."""
    return ThreadpoolController().select(user_api="blas").lib_controllers


def blas_threads():
    """The numbers of threads of the BLAS libraries of this process."""
    return {library.num_threads for library in blas_libraries()}


def set_blas_threads(n_threads):
    def set_them():
        for library in ThreadpoolController().select(user_api="blas").lib_controllers:
            library.set_num_threads(n_threads)

    # In a thread of its own: to threadpoolctl a limit may belong to the thread that sets it,
    # as long as that thread lives.
    thread = threading.Thread(target=set_them)
    thread.start()
    thread.join()


@pytest.fixture
def two_blas_threads():
    """The BLAS has two threads, on a machine of one processor too."""
    before = blas_threads()
    set_blas_threads(2)
    yield blas_threads()
    set_blas_threads(max(before, default=1))


def large_problem(sparse=False, dtype=np.float64, weighted=False):
    problem = random_problem((20, 100, 3), 12_000, sparse=sparse, weighted=weighted)
    return problem._replace(X=problem.X.astype(dtype))


def bits(objective, theta):
    J, D = objective(theta)
    return np.float64(J).tobytes() + D.tobytes()


# -- the limit on BLAS threads ---------------------------------------------------------------


def test_the_limit_holds_inside_and_ends_with_the_context(two_blas_threads):
    with single_threaded_blas():
        assert blas_threads() <= {1}
        with single_threaded_blas():
            assert blas_threads() <= {1}
        assert blas_threads() <= {1}
    assert blas_threads() == two_blas_threads


def test_the_limit_ends_with_an_error(two_blas_threads):
    def fail():
        with single_threaded_blas():
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fail()
        assert blas_threads() == two_blas_threads


@pytest.mark.parametrize("first_out", ["first_in", "last_in"])
def test_overlapping_holders_in_two_threads(two_blas_threads, first_out):
    with ThreadPoolExecutor(1) as a, ThreadPoolExecutor(1) as b:
        order = [(a, single_threaded_blas()), (b, single_threaded_blas())]
        for thread, holder in order:
            thread.submit(holder.__enter__).result()
            assert blas_threads() <= {1}
        if first_out == "last_in":
            order.reverse()
        (thread, holder), (last_thread, last_holder) = order
        thread.submit(holder.__exit__, None, None, None).result()
        assert blas_threads() <= {1}
        last_thread.submit(last_holder.__exit__, None, None, None).result()
        # Both threads still live: what they have set must not outlast their use of it.
        assert blas_threads() == two_blas_threads
        # Nor stop others from setting it.
        with single_threaded_blas():
            assert blas_threads() <= {1}
        assert blas_threads() == two_blas_threads
    assert blas_threads() == two_blas_threads


def test_many_holders_in_many_threads(two_blas_threads):
    n_threads = 6
    barrier = threading.Barrier(n_threads, timeout=TIMEOUT)

    def use(seed):
        rng = np.random.RandomState(seed)
        barrier.wait()
        for _ in range(50):
            with single_threaded_blas():
                rng.uniform(size=rng.randint(1, 2000)).sum()

    with ThreadPoolExecutor(n_threads) as executor:
        list(executor.map(use, range(n_threads)))
        assert blas_threads() == two_blas_threads
    with single_threaded_blas():
        assert blas_threads() <= {1}
    assert blas_threads() == two_blas_threads


def test_objectives_in_many_threads(two_blas_threads, no_thread_is_left):
    problem = large_problem()
    expected = bits(problem.objective(n_jobs=1), problem.theta)

    barrier = threading.Barrier(4, timeout=TIMEOUT)

    def evaluate(n_jobs):
        objective = problem.objective(n_jobs=n_jobs)
        barrier.wait()
        return [bits(objective, problem.theta) for _ in range(3)]

    with ThreadPoolExecutor(4) as executor:
        for results in executor.map(evaluate, [1, 2, 3, 2]):
            assert results == [expected] * 3
    assert blas_threads() == two_blas_threads


def test_one_objective_in_many_threads(two_blas_threads, no_thread_is_left):
    problem = large_problem()
    objective = problem.objective(n_jobs=2)
    expected = bits(objective, problem.theta)
    barrier = threading.Barrier(4, timeout=TIMEOUT)

    def evaluate(_):
        barrier.wait()
        return [bits(objective, problem.theta) for _ in range(5)]

    with ThreadPoolExecutor(4) as executor:
        for results in executor.map(evaluate, range(4)):
            assert results == [expected] * 5
    assert blas_threads() == two_blas_threads


def test_a_limit_of_the_user_is_respected_and_left_in_place(two_blas_threads):
    problem = large_problem()
    with threadpool_limits(1, user_api="blas"):
        objective = problem.objective()
        objective(problem.theta)
        assert blas_threads() <= {1}
    assert blas_threads() == two_blas_threads


def test_a_hold_may_be_released_more_than_once(two_blas_threads):
    with single_threaded_blas():
        hold = single_threaded_blas()
        with hold:
            pass
        hold.__exit__(None, None, None)
        del hold
        gc.collect()
        # It was not the other's.
        assert blas_threads() <= {1}
    assert blas_threads() == two_blas_threads


def test_a_hold_that_is_taken_but_never_left_ends_with_its_owner(two_blas_threads):
    # An interrupt between taking it and the block under it has this effect.
    hold = single_threaded_blas()
    hold.__enter__()
    assert blas_threads() <= {1}
    del hold
    gc.collect()
    assert blas_threads() == two_blas_threads
    with single_threaded_blas():
        assert blas_threads() <= {1}
    assert blas_threads() == two_blas_threads


def test_a_hold_whose_end_was_interrupted_is_found_by_the_next(two_blas_threads, monkeypatch):
    hold = single_threaded_blas()
    # An interrupt while it is being collected: its release does not happen.
    monkeypatch.delattr(type(hold), "__del__")
    hold.__enter__()
    del hold
    gc.collect()
    assert blas_threads() <= {1}
    with single_threaded_blas():
        assert blas_threads() <= {1}
    assert blas_threads() == two_blas_threads


def test_a_hold_that_is_never_taken_lifts_no_limit(two_blas_threads):
    with single_threaded_blas():
        single_threaded_blas()
        gc.collect()
        assert blas_threads() <= {1}
    assert blas_threads() == two_blas_threads


def test_an_owner_that_vanishes_while_others_hold_lifts_no_limit(two_blas_threads):
    hold = single_threaded_blas()
    hold.__enter__()
    with single_threaded_blas():
        del hold
        gc.collect()
        assert blas_threads() <= {1}
    assert blas_threads() == two_blas_threads


# -- forks ---------------------------------------------------------------------------------------

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot fork here")


def outcome_of_a_fork(function):
    """Call a function in a fork of this process: the exit status, None where it does not end."""
    with warnings.catch_warnings():
        # Python warns of forks in a process of several threads, which is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            # Only the thread that has forked exists here; it says by its status how it went.
            status = function()
        finally:
            os._exit(status)
    deadline = monotonic() + 2 * TIMEOUT
    while monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def small_fit():
    rng = np.random.RandomState(0)
    X = rng.standard_normal((60, 4))
    clf = BackpropClassifier((5,), random_state=0, tol=1e-3).fit(X, (X[:, 0] > 0).astype(int))
    return clf.loss_


@needs_fork
def test_a_fork_while_another_thread_holds_the_guard(two_blas_threads):
    held, released = threading.Event(), threading.Event()

    def hold():
        with single_threaded_blas():
            held.set()
            released.wait(4 * TIMEOUT)

    def child():
        # Nobody holds it here.
        if blas_threads() != two_blas_threads:
            return 2
        with single_threaded_blas():
            if not blas_threads() <= {1}:
                return 3
        if blas_threads() != two_blas_threads:
            return 4
        return 0 if resolve_n_jobs(None) == max(two_blas_threads, default=1) else 5

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(TIMEOUT)
        assert outcome_of_a_fork(child) == 0
        # The parent's is still held.
        assert blas_threads() <= {1}
    finally:
        released.set()
        thread.join()
    assert blas_threads() == two_blas_threads


@needs_fork
def test_a_fork_while_another_thread_is_taking_the_guard(two_blas_threads, monkeypatch):
    # Its lock is held by a thread that does not exist in the fork.
    monkeypatch.setattr("skbackprop.threads.FORK_PATIENCE", 0.1)
    locked, released = threading.Event(), threading.Event()

    def lock():
        with single_threaded_blas._lock:
            locked.set()
            released.wait(4 * TIMEOUT)

    def child():
        with single_threaded_blas():
            inside = blas_threads()
        return 0 if inside <= {1} and blas_threads() == two_blas_threads else 2

    thread = threading.Thread(target=lock)
    thread.start()
    try:
        assert locked.wait(TIMEOUT)
        assert outcome_of_a_fork(child) == 0
    finally:
        released.set()
        thread.join()


@needs_fork
def test_a_fork_waits_until_no_thread_changes_the_limit(two_blas_threads):
    locked, changed = threading.Event(), []

    def change():
        with single_threaded_blas._lock:
            locked.set()
            sleep(0.1)
            changed.append(True)

    thread = threading.Thread(target=change)
    thread.start()
    assert locked.wait(TIMEOUT)
    assert outcome_of_a_fork(lambda: 0 if changed else 2) == 0
    thread.join()


@needs_fork
@pytest.mark.parametrize("n_threads", [1, 2])
def test_forks_while_another_thread_changes_the_limit(two_blas_threads, n_threads):
    # OpenBLAS changes it under a lock, which would be locked for good in the child.
    over = threading.Event()

    def limit():
        while not over.is_set():
            with row_threads(n_threads) as map_:
                list(map_(abs, [1, 2]))

    def child():
        with single_threaded_blas():
            return 0 if blas_threads() <= {1} else 2

    thread = threading.Thread(target=limit)
    thread.start()
    try:
        outcomes = [outcome_of_a_fork(child) for _ in range(10)]
    finally:
        over.set()
        thread.join()
    assert outcomes == [0] * 10
    assert blas_threads() == two_blas_threads


@needs_fork
def test_forks_while_other_threads_fit(two_blas_threads, no_thread_is_left):
    expected = small_fit()
    begun, over = threading.Barrier(3, timeout=TIMEOUT), threading.Event()

    def fit():
        begun.wait()
        while not over.is_set():
            assert small_fit() == expected

    def child():
        if blas_threads() != two_blas_threads:
            return 2
        if small_fit() != expected:
            return 3
        return 0 if blas_threads() == two_blas_threads else 4

    with ThreadPoolExecutor(2) as executor:
        fits = [executor.submit(fit) for _ in range(2)]
        try:
            begun.wait()
            outcomes = [outcome_of_a_fork(child) for _ in range(10)]
        finally:
            over.set()
        for result in fits:
            result.result()
    assert outcomes == [0] * 10
    assert blas_threads() == two_blas_threads


@needs_fork
def test_a_fork_inside_a_hold_of_its_own_thread(two_blas_threads):
    def child():
        # The hold ends here, too, when its block does.
        return 0 if blas_threads() == two_blas_threads and small_fit() else 2

    with single_threaded_blas():
        assert outcome_of_a_fork(child) == 0
        assert blas_threads() <= {1}
    assert blas_threads() == two_blas_threads


# -- row threads -----------------------------------------------------------------------------


def test_row_threads_work_at_the_same_time(two_blas_threads, no_thread_is_left):
    barrier = threading.Barrier(3, timeout=TIMEOUT)

    def meet(number):
        barrier.wait()
        return number, blas_threads()

    with row_threads(3) as parallel_map:
        results = list(parallel_map(meet, range(3)))
    assert [number for number, _ in results] == [0, 1, 2]
    assert all(threads <= {1} for _, threads in results)
    assert blas_threads() == two_blas_threads


def test_the_caller_is_one_of_the_row_threads(no_thread_is_left):
    barrier = threading.Barrier(2, timeout=TIMEOUT)

    def meet(_):
        barrier.wait()
        return threading.current_thread()

    with row_threads(2) as map_:
        threads = set(map_(meet, range(6)))
    assert len(threads) == 2
    assert threading.current_thread() in threads


@pytest.mark.parametrize("n_items", [0, 1, 2, 50])
@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_results_are_in_the_order_of_the_items(n_threads, n_items):
    with row_threads(n_threads) as map_:
        assert list(map_(lambda i: i * i, range(n_items))) == [i * i for i in range(n_items)]


@pytest.mark.parametrize("failing", ["the caller", "another thread"])
def test_after_an_error_no_thread_takes_another_item(no_thread_is_left, failing):
    barrier, done = threading.Barrier(2, timeout=TIMEOUT), []

    def work(item):
        done.append(item)
        if item < 2:
            barrier.wait()  # both threads have an item
        if (threading.current_thread() is threading.main_thread()) == (failing == "the caller"):
            raise ZeroDivisionError
        sleep(0.01)

    def run():
        with row_threads(2) as map_:
            map_(work, range(1000))

    with pytest.raises(ZeroDivisionError):
        run()
    assert len(done) < 1000


def test_one_row_thread_is_the_callers(no_thread_is_left):
    with row_threads(1) as map_:
        threads = set(map_(lambda _: threading.current_thread(), range(3)))
    assert threads == {threading.current_thread()}


def test_row_threads_treat_overflow_as_their_caller_does(no_thread_is_left):
    def overflow(_):
        return np.array([1e308]) * 10

    for n_threads in (1, 2):
        with np.errstate(over="raise"), row_threads(n_threads) as map_:
            with pytest.raises(FloatingPointError):
                list(map_(overflow, range(3)))
        with np.errstate(over="ignore"), row_threads(n_threads) as map_:
            assert list(map_(overflow, range(3))) == [np.inf] * 3


def test_an_error_in_a_row_thread_reaches_the_caller(two_blas_threads, no_thread_is_left):
    def fail(number):
        raise ZeroDivisionError

    def run():
        with row_threads(2) as map_:
            list(map_(fail, range(4)))

    with pytest.raises(ZeroDivisionError):
        run()
    assert blas_threads() == two_blas_threads


# -- the same bits -----------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_any_number_of_threads_gives_the_same_bits(
    two_blas_threads, no_thread_is_left, sparse, dtype, weighted
):
    problem = large_problem(sparse, dtype, weighted)
    block_rows, _ = partition(problem.network, 12_000, dtype, sparse)
    assert 12_000 > 2 * block_rows
    expected = bits(problem.objective(reg_lambda=1, n_jobs=1), problem.theta)
    for n_jobs in (2, 3, 5, None):
        objective = problem.objective(reg_lambda=1, n_jobs=n_jobs)
        assert bits(objective, problem.theta) == expected
        with objective.running() as running:
            assert bits(running, problem.theta) == expected
            assert bits(running, problem.theta) == expected
    assert blas_threads() == two_blas_threads


@pytest.mark.parametrize("make", [random_problem, large_problem], ids=["small", "large"])
def test_the_threads_of_the_blas_do_not_change_the_bits(two_blas_threads, make):
    problem = make()
    results = set()
    for n_threads in (1, 2, 4):
        set_blas_threads(n_threads)
        results.add(bits(problem.objective(n_jobs=1), problem.theta))
        results.add(bits(problem.objective(), problem.theta))
    assert len(results) == 1


def test_a_medium_problem_has_the_same_bits_for_any_number_of_threads(two_blas_threads):
    # Between the direct path of small problems and many blocks.
    for m in (1, 100, 3000, 9000):
        problem = random_problem((30, 40, 3), m)
        expected = bits(problem.objective(n_jobs=1), problem.theta)
        for n_jobs in (2, 5):
            assert bits(problem.objective(n_jobs=n_jobs), problem.theta) == expected


def test_a_direct_call_and_a_run_leave_no_thread(two_blas_threads, no_thread_is_left):
    problem = large_problem()
    objective = problem.objective(n_jobs=3)
    objective(problem.theta)
    assert blas_threads() == two_blas_threads
    with objective.running() as running:
        running(problem.theta)
        running(problem.theta)
        # The one that is not running can still be called, by itself.
        objective(problem.theta)
    objective(problem.theta)


def test_a_run_within_a_run(two_blas_threads, no_thread_is_left):
    problem = large_problem()
    objective = problem.objective(n_jobs=2)
    expected = bits(objective, problem.theta)
    with objective.running() as running:
        with running.running() as inner:
            assert bits(inner, problem.theta) == expected
        assert blas_threads() <= {1}
        assert bits(running, problem.theta) == expected
        with objective.running() as another:
            assert bits(another, problem.theta) == expected
        assert blas_threads() <= {1}
        assert bits(running, problem.theta) == expected
    assert blas_threads() == two_blas_threads


def test_an_error_in_an_evaluation_leaves_nothing_behind(two_blas_threads, no_thread_is_left):
    problem = large_problem()
    objective = problem.objective(n_jobs=2)
    expected = bits(objective, problem.theta)
    with pytest.raises(ValueError, match="unrolled"):
        objective(problem.theta[:-1])
    assert blas_threads() == two_blas_threads
    assert bits(objective, problem.theta) == expected


# -- n_jobs --------------------------------------------------------------------------------------


def test_n_jobs_none_is_what_the_blas_may_use(two_blas_threads):
    expected = max(two_blas_threads, default=1)
    assert resolve_n_jobs(None) == expected
    # Also while rows are being worked on: then the limit is ours.
    with single_threaded_blas():
        assert resolve_n_jobs(None) == expected
    with threadpool_limits(1, user_api="blas"):
        assert resolve_n_jobs(None) == 1


@pytest.mark.parametrize("n_jobs", [1, 2, 7, np.int64(3)], ids=repr)
def test_a_positive_n_jobs_is_taken_as_it_is(n_jobs):
    assert resolve_n_jobs(n_jobs) == n_jobs


def test_a_negative_n_jobs_counts_from_all_processors():
    assert resolve_n_jobs(-1) == cpu_count()
    assert resolve_n_jobs(-cpu_count()) == 1
    assert resolve_n_jobs(-cpu_count() - 5) == 1


@pytest.mark.parametrize("n_jobs", [0, 1.0, "2"], ids=repr)
def test_n_jobs_must_be_an_integer_other_than_zero(n_jobs):
    with pytest.raises(ValueError, match="n_jobs must be"):
        resolve_n_jobs(n_jobs)


def test_the_result_does_not_depend_on_who_calls(two_blas_threads):
    # From another thread than the main one.
    problem = large_problem()
    objective = problem.objective(n_jobs=2)
    with ThreadPoolExecutor(1) as executor:
        J, D = executor.submit(objective, problem.theta).result()
    expected_J, expected_D = objective(problem.theta)
    assert J == expected_J
    assert_array_equal(D, expected_D)
    assert blas_threads() == two_blas_threads


def test_a_direct_call_has_the_bits_of_a_call_within_a_run(two_blas_threads):
    # So many parameters that the BLAS would take two threads to add up the penalty.
    problem = random_problem((60, 190, 1), 300)
    objective = problem.objective(reg_lambda=30)
    for seed in range(5):
        theta = problem.network.initialize(random_state=seed)
        direct = bits(objective, theta)
        with objective.running() as running:
            assert bits(running, theta) == direct
