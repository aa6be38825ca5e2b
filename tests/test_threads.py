import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from joblib import Parallel, cpu_count, delayed, parallel_backend
from numpy.testing import assert_array_equal
from problems import random_problem
from threadpoolctl import ThreadpoolController, threadpool_limits

from skbackprop.objective import partition
from skbackprop.threads import resolve_n_jobs, row_threads, single_threaded_blas

TIMEOUT = 30  # seconds, for threads that wait for each other


def blas_threads():
    """The numbers of threads of the BLAS libraries of this process."""
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    return {library.num_threads for library in libraries}


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


@pytest.fixture
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def large_problem(sparse=False, dtype=np.float64, weighted=False):
    problem = random_problem((20, 200, 3), 12_000, sparse=sparse, weighted=weighted)
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


def test_one_row_thread_is_the_callers(no_thread_is_left):
    with row_threads(1) as map_:
        threads = set(map_(lambda _: threading.current_thread(), range(3)))
    assert threads == {threading.current_thread()}


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
        with objective.running():
            assert bits(objective, problem.theta) == expected
            assert bits(objective, problem.theta) == expected
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
    with objective.running():
        objective(problem.theta)
        objective(problem.theta)
    objective(problem.theta)


def test_a_run_within_a_run(two_blas_threads, no_thread_is_left):
    problem = large_problem()
    objective = problem.objective(n_jobs=2)
    expected = bits(objective, problem.theta)
    with objective.running():
        with objective.running():
            assert bits(objective, problem.theta) == expected
        assert blas_threads() <= {1}
        assert bits(objective, problem.theta) == expected
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


def test_n_jobs_none_does_not_oversubscribe_in_a_parallel_search():
    with parallel_backend("loky", inner_max_num_threads=1):
        n_jobs = Parallel(n_jobs=2)(delayed(resolve_n_jobs)(None) for _ in range(2))
    assert n_jobs == [1, 1]


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
        with objective.running():
            assert bits(objective, theta) == direct
