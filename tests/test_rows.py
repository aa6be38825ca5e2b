"""Sources of rows: every row once, in a fixed order, in any partition and with any weights."""

import pickle
import threading
from fractions import Fraction
from time import sleep
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from problems import OUTPUTS_AND_LOSSES, random_problem
from scipy.sparse import csr_matrix, issparse

from skbackprop import Network, Objective
from skbackprop.interrupts import Cancellation, Cancelled
from skbackprop.objective import CostAndGradient, block_sums
from skbackprop.rows import (
    MAX_LANES,
    ArrayRows,
    RowBlock,
    average_weight,
    check_weights,
    has_distinct_rows,
    is_mapped,
    partition,
    row_by_row,
)
from skbackprop.workspace import Workspace

every_storage = pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
every_precision = pytest.mark.parametrize("dtype", [np.float32, np.float64])


class Visited(list):
    """The row numbers of the blocks that were seen, in the order of the sum."""

    def copy(self):
        return Visited(self)

    def add_(self, other):
        self.extend(other)
        return self


class Numbers(NamedTuple):
    """The numbers of a block's rows, which are their first feature."""

    network: Network
    delay: float = 0.0

    def __call__(self, block, workspace=None):
        assert isinstance(workspace, Workspace)
        numbers = block.X[:, [0]].toarray() if issparse(block.X) else block.X[:, [0]]
        # Blocks with lower numbers take longer: threads finish in another order than they begin.
        sleep(self.delay / (1.0 + numbers[0, 0]))
        return Visited([numbers.ravel().astype(int).tolist()])


class Column(NamedTuple):
    """The rows themselves: a function of a block with a result for each row."""

    network: Network

    def __call__(self, block, workspace=None):
        return block.X[:, 0] * 2.0


SMALL = Network((1, 1))


def partitioned(monkeypatch, block_rows, n_lanes):
    monkeypatch.setattr("skbackprop.rows.partition", lambda *args: (block_rows, n_lanes))


def numbered_rows(m, n_threads=1, n_features=1):
    X = np.zeros((m, n_features))
    X[:, 0] = np.arange(m)
    return ArrayRows.of(RowBlock(X, np.zeros(m, int)), n_threads)


def always_large(monkeypatch):
    """Threads are worth while, however few rows there are."""
    monkeypatch.setattr("skbackprop.rows.THREADING_BYTES", -1)


def dense(X):
    return X.toarray() if issparse(X) else X


def rows_of(problem, **options):
    return ArrayRows.of(examples_of(problem), **options)


def examples_of(problem):
    return RowBlock(problem.X, problem.Y, problem.sample_weight)


# -- passes over rows ------------------------------------------------------------------------


def blocks_in_order(m, block_rows, n_lanes):
    blocks = [list(range(m))[start : start + block_rows] for start in range(0, m, block_rows)]
    return [block for lane in range(n_lanes) for block in blocks[lane::n_lanes]]


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 7))
def test_every_row_is_visited_once_in_the_order_of_blocks_and_lanes(m, block_rows, n_lanes):
    with pytest.MonkeyPatch.context() as monkeypatch:
        partitioned(monkeypatch, block_rows, n_lanes)
        visited = numbered_rows(m).add_up(Numbers(SMALL))
    assert visited == blocks_in_order(m, block_rows, n_lanes)


@pytest.mark.parametrize("n_threads", [2, 3, 5])
def test_threads_that_finish_in_another_order_change_nothing(monkeypatch, n_threads):
    partitioned(monkeypatch, 4, 4)
    always_large(monkeypatch)
    visited = numbered_rows(50, n_threads).add_up(Numbers(SMALL, delay=0.1))
    assert visited == blocks_in_order(50, 4, 4)


def test_lanes_are_worked_on_at_the_same_time(monkeypatch):
    partitioned(monkeypatch, 4, 3)
    always_large(monkeypatch)
    barrier = threading.Barrier(3, timeout=60)

    class Meeting(NamedTuple):
        network: Network

        def __call__(self, block, workspace=None):
            if block.X[0, 0] < 12:  # the first block of a lane
                barrier.wait()
            return Visited([threading.current_thread()])

    threads = numbered_rows(50, 3).add_up(Meeting(SMALL))
    assert len(set(threads)) == 3
    assert threading.main_thread() not in threads


def test_few_rows_are_not_worth_threads():
    class Thread(NamedTuple):
        network: Network

        def __call__(self, block, workspace=None):
            return Visited([threading.current_thread()])

    assert numbered_rows(50, 3).add_up(Thread(SMALL)) == [threading.current_thread()]


def test_rows_are_large_where_there_is_work_for_threads():
    # 2^26 bytes of multiplications: 2^20 rows of two parameters are a quarter of that.
    rows = numbered_rows(2**20)
    assert not rows.is_large(SMALL)
    assert not rows.is_large(Network((1, 2, 1)))
    assert rows.is_large(Network((1, 3, 1)))
    assert not rows.astype(np.float32).is_large(Network((1, 3, 1)))
    assert not rows.every_nth(2).is_large(Network((1, 3, 1)))


@pytest.mark.parametrize("n_threads", [1, 3])
def test_what_was_added_up_first_is_copied(monkeypatch, n_threads):
    partitioned(monkeypatch, 2, 2)
    always_large(monkeypatch)
    results = []

    class Kept(NamedTuple):
        network: Network

        def __call__(self, block, workspace=None):
            found = Numbers(self.network)(block, workspace)
            results.append((found, list(found)))
            return found

    total = numbered_rows(12, n_threads).add_up(Kept(SMALL))
    assert len(results) == 6
    assert all(found == before and found is not total for found, before in results)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 5))
def test_results_are_written_to_the_rows_they_are_of(m, block_rows, n_threads):
    out = np.full(m, np.nan)
    with pytest.MonkeyPatch.context() as monkeypatch:
        partitioned(monkeypatch, block_rows, 3)
        always_large(monkeypatch)
        numbered_rows(m, n_threads).fill(Column(SMALL), out)
    assert_array_equal(out, 2.0 * np.arange(m))


@pytest.mark.parametrize("n_threads", [1, 3])
def test_results_of_large_rows_are_those_of_small_ones(monkeypatch, n_threads):
    out = np.empty((5000, 2))
    problem = random_problem((3, 4, 2), 5000)

    class Logits(NamedTuple):
        network: Network

        def __call__(self, block, workspace=None):
            layers = workspace.first(len(block.X)).layers
            thetas = problem.network.reshape(problem.theta)
            return self.network.propagate(thetas, block.X, out=layers).logits

    partitioned(monkeypatch, 700, 3)
    always_large(monkeypatch)
    rows_of(problem, n_threads=n_threads).fill(Logits(problem.network), out)
    thetas = problem.network.reshape(problem.theta)
    assert_allclose(out, problem.network.propagate(thetas, problem.X).logits, rtol=1e-12)


# -- open rows -------------------------------------------------------------------------------


def test_open_rows_use_the_same_threads_and_buffers_in_every_pass(monkeypatch, no_thread_is_left):
    partitioned(monkeypatch, 4, 4)
    always_large(monkeypatch)
    seen = []

    class Seen(NamedTuple):
        network: Network

        def __call__(self, block, workspace=None):
            sleep(0.005)
            seen.append((threading.current_thread(), workspace.gradient))
            return Visited()

    rows = numbered_rows(50, 2)
    with rows.running() as open_rows:
        for _ in range(4):
            open_rows.add_up(Seen(SMALL))
        # Open already: nothing is opened again.
        with open_rows.running() as again:
            assert again is open_rows
    threads, buffers = zip(*seen, strict=True)
    assert len(set(threads)) == 2
    assert len(set(map(id, buffers))) <= 2
    # The rows themselves have stayed as they were.
    assert rows.workers is None


def test_no_two_blocks_share_a_workspace_at_a_time(monkeypatch):
    partitioned(monkeypatch, 2, 8)
    always_large(monkeypatch)
    in_use, shared = [], []

    class Using(NamedTuple):
        network: Network

        def __call__(self, block, workspace=None):
            mine = id(workspace.gradient)
            if mine in in_use:
                shared.append(mine)
            in_use.append(mine)
            sleep(0.002)
            in_use.remove(mine)
            return Visited()

    numbered_rows(60, 4).add_up(Using(SMALL))
    assert not shared


def test_a_workspace_is_large_enough_for_every_block_of_every_network(monkeypatch):
    other = Network((1, 3, 2))

    class Sizes(NamedTuple):
        network: Network
        dtype: type

        def __call__(self, block, workspace=None):
            room = workspace.first(len(block.X))
            shapes = [A.shape for A in room.layers]
            assert shapes == [(len(block.X), s) for s in self.network.layer_sizes[1:]]
            assert [A.shape for A in room.deltas] == shapes[:-1]
            assert workspace.gradient.shape == (self.network.n_parameters,)
            assert workspace.gradient.dtype == room.layers[0].dtype == block.X.dtype == self.dtype
            return Visited()

    with numbered_rows(50).running() as rows:
        for block_rows in (5, 50, 7):
            partitioned(monkeypatch, block_rows, 2)
            for dtype in (np.float64, np.float32, np.float64):
                for network in (SMALL, other):
                    rows.astype(dtype).add_up(Sizes(network, dtype))


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_a_pass_ends_where_it_is_cancelled(monkeypatch, n_threads, large):
    partitioned(monkeypatch, 2, 2)
    if large:
        always_large(monkeypatch)
    cancellation, visited = Cancellation(), []

    class Cancelling(NamedTuple):
        network: Network

        def __call__(self, block, workspace=None):
            visited.append(block.X[0, 0])
            if len(visited) == 3:
                cancellation.request()
            sleep(0.01)
            return Visited()

    with numbered_rows(100, n_threads).running(cancellation) as rows:
        with pytest.raises(Cancelled):
            rows.add_up(Cancelling(SMALL))
        # Blocks that had begun may have ended, no other has begun.
        assert len(visited) <= 3 + n_threads
        begun = len(visited)
        with pytest.raises(Cancelled):
            rows.add_up(Cancelling(SMALL))
        with pytest.raises(Cancelled):
            rows.fill(Cancelling(SMALL), np.empty(100))
    assert len(visited) == begun


def test_a_pass_over_results_ends_where_it_is_cancelled(monkeypatch):
    partitioned(monkeypatch, 2, 2)
    cancellation = Cancellation()
    out = np.full(100, np.nan)

    class Cancelling(NamedTuple):
        network: Network

        def __call__(self, block, workspace=None):
            if block.X[0, 0] == 10:
                cancellation.request()
            return block.X[:, 0]

    with numbered_rows(100).running(cancellation) as rows, pytest.raises(Cancelled):
        rows.fill(Cancelling(SMALL), out)
    assert_array_equal(out[:12], np.arange(12.0))
    assert np.isnan(out[12:]).all()


def test_an_evaluation_of_j_ends_where_it_is_cancelled():
    problem = random_problem()
    cancellation = Cancellation()
    with problem.objective().running(cancellation) as objective:
        objective(problem.theta)
        cancellation.request()
        with pytest.raises(Cancelled):
            objective(problem.theta)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_error_in_a_block_ends_the_pass(monkeypatch, no_thread_is_left, n_threads):
    partitioned(monkeypatch, 2, 2)
    always_large(monkeypatch)

    class Failing(NamedTuple):
        network: Network

        def __call__(self, block, workspace=None):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        numbered_rows(100, n_threads).add_up(Failing(SMALL))
    with pytest.raises(ZeroDivisionError):
        numbered_rows(100, n_threads).fill(Failing(SMALL), np.empty(100))


# -- rows ------------------------------------------------------------------------------------


CHOICES = (slice(2, 5), slice(None, None, 3), slice(0), np.array([7, 0, 7]))


@every_storage
def test_a_block_has_the_examples_of_its_rows(sparse):
    problem = random_problem(m=9, weighted=True, sparse=sparse)
    for chosen in CHOICES:
        X, y, sample_weight = rows_of(problem).block(chosen)
        assert_array_equal(dense(X), dense(problem.X)[chosen])
        assert_array_equal(y, problem.Y[chosen])
        relative = problem.sample_weight[chosen] / problem.sample_weight.mean()
        assert_allclose(sample_weight, relative, rtol=1e-14)


@every_storage
def test_examples_can_be_taken_without_targets_or_weights(sparse):
    problem = random_problem(m=9, sparse=sparse)
    for chosen in CHOICES:
        X, y, sample_weight = RowBlock(problem.X).take(chosen)
        assert_array_equal(dense(X), dense(problem.X)[chosen])
        assert y is None
        assert sample_weight is None


def test_a_block_of_consecutive_rows_is_no_copy():
    problem = random_problem()
    rows = rows_of(problem)
    assert np.shares_memory(rows.block(slice(2, 5)).X, problem.X)
    assert np.shares_memory(rows.every_nth(3).examples.X, problem.X)
    assert np.shares_memory(rows.gather(3).X, problem.X)
    assert np.shares_memory(ArrayRows.of(rows.block(slice(2, 5))).examples.X, problem.X)


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@every_storage
def test_rows_know_their_number_weight_and_storage(sparse, weighted):
    problem = random_problem(m=9, weighted=weighted, sparse=sparse)
    rows = rows_of(problem)
    assert rows.n_rows == 9
    assert rows.sparse == sparse
    assert_allclose(rows.weight, sum(problem.sample_weight) if weighted else 9, rtol=1e-15)
    assert rows.has_weight


def test_some_rows_may_have_no_weight():
    problem = random_problem(m=9)._replace(sample_weight=np.eye(9)[4])
    rows = rows_of(problem)
    assert rows.has_weight
    assert rows.every_nth(4).has_weight
    assert not rows.every_nth(5).has_weight


@every_storage
def test_the_precision_of_the_blocks_can_be_chosen(sparse):
    problem = random_problem(sparse=sparse)
    rows = rows_of(problem)
    single = rows.astype(np.float32)
    assert (rows.dtype, single.dtype) == (np.float64, np.float32)
    assert rows.block(slice(3)).X.dtype == np.float64
    assert single.block(slice(3)).X.dtype == np.float32
    assert single.gather(3).X.dtype == np.float32
    # The examples stay what they are.
    assert single.examples.X.dtype == np.float64


@every_storage
def test_one_in_n_rows_can_be_taken(sparse):
    problem = random_problem(m=10, weighted=True, sparse=sparse)
    rows = rows_of(problem).astype(np.float32)
    for n in (1, 3, 10, 11):
        some = rows.every_nth(n)
        assert some.n_rows == len(range(0, 10, n))
        assert_array_equal(dense(some.examples.X), dense(problem.X)[::n])
        assert_array_equal(some.examples.y, problem.Y[::n])
        # Relative to the same weight, and of the same precision.
        assert_array_equal(some.examples.sample_weight, rows.examples.sample_weight[::n])
        assert some.mean_weight == rows.mean_weight
        assert some.dtype == np.float32


@pytest.mark.parametrize("m", [1, 2, 7, 99, 100, 101, 1000])
@pytest.mark.parametrize("n", [1, 2, 10, 100, 5000])
def test_at_most_so_many_rows_are_gathered(m, n):
    gathered = numbered_rows(m).gather(n).X[:, 0]
    assert 1 <= len(gathered) <= n
    strides = set(np.diff(gathered))
    assert len(strides) <= 1
    # Classes that take turns are all met.
    assert all(stride % 2 == 1 for stride in strides)
    # An odd stride may leave a third of what there may be, not less.
    assert len(gathered) >= min(n, m) / 3


def test_the_number_of_threads_can_be_chosen():
    rows = numbered_rows(5)
    assert rows.n_threads == 1
    assert rows.on_threads(3).n_threads == 3
    assert rows.n_threads == 1
    assert np.shares_memory(rows.on_threads(3).examples.X, rows.examples.X)


# -- weights ---------------------------------------------------------------------------------


# The sum of a few of the largest is not a finite number.
SCALES = (1e-300, 1e-46, 1e-30, 1e30, 1e300, 1.7e308)


@every_storage
@every_precision
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "different"])
def test_the_scale_of_the_weights_does_not_matter_without_a_penalty(
    weighted, scale, dtype, sparse
):
    problem = random_problem((3, 4, 5, 2), 40, weighted=True, sparse=sparse)
    problem = problem._replace(X=problem.X.astype(dtype))
    relative = problem.sample_weight / problem.sample_weight.max() if weighted else np.ones(40)
    J, D = problem._replace(sample_weight=relative).objective()(problem.theta)
    assert np.abs(D).max() > 1e-3
    with np.errstate(all="raise"):
        scaled = problem._replace(sample_weight=scale * relative).objective()
    scaled_J, scaled_D = scaled(problem.theta)
    # In float32 the logits of many rows are rounded, their weights not at all.
    assert_allclose(scaled_J, J, rtol=1e-14)
    assert_allclose(scaled_D, D, rtol=0, atol=1e-15 if dtype == np.float64 else 1e-7)
    if not weighted:
        plain_J, plain_D = problem._replace(sample_weight=None).objective()(problem.theta)
        assert_allclose(scaled_J, plain_J, rtol=1e-14)
        assert_allclose(scaled_D, plain_D, rtol=0, atol=1e-15 if dtype == np.float64 else 1e-7)


@pytest.mark.parametrize("scale", SCALES)
def test_the_scale_of_the_weights_does_not_matter_for_a_batch(scale):
    problem = random_problem(m=40, weighted=True)
    relative = problem.sample_weight / problem.sample_weight.max()
    rows = np.array([3, 17, 4])
    J, D = problem._replace(sample_weight=relative).objective().batch(problem.theta, rows)
    scaled = problem._replace(sample_weight=scale * relative).objective()
    scaled_J, scaled_D = scaled.batch(problem.theta, rows)
    assert_allclose(scaled_J, J, rtol=1e-13)
    assert_allclose(scaled_D, D, rtol=0, atol=1e-14)


def test_weights_of_any_scale_have_the_penalty_of_their_sum():
    problem = random_problem(weighted=True)
    for scale in (1e-300, 1e-46, 1e30, 1e300):
        scaled = problem._replace(sample_weight=scale * problem.sample_weight)
        reg_lambda = 2 * scale
        J, D = scaled.objective(reg_lambda=reg_lambda)(problem.theta)
        expected_J, expected_D = problem.reference(reg_lambda=2)
        assert_allclose(J, expected_J, rtol=1e-12)
        assert_allclose(D, expected_D, rtol=0, atol=1e-13)


@given(st.lists(st.floats(1e-320, 1.7e308), min_size=1, max_size=30).filter(any))
def test_the_average_weight_neither_overflows_nor_vanishes(weights):
    exact = sum(map(Fraction, weights)) / len(weights)
    # Relative to the largest, as anything that is added up.
    assert_allclose(average_weight(np.array(weights)), float(exact), rtol=1e-13)


def test_weights_are_kept_relative_to_their_mean():
    problem = random_problem(weighted=True)
    w = problem.sample_weight
    rows = rows_of(problem)
    assert_allclose(rows.mean_weight, w.mean(), rtol=1e-15)
    assert_allclose(rows.examples.sample_weight, w / w.mean(), rtol=1e-14)
    assert rows_of(problem._replace(sample_weight=None)).examples.sample_weight is None


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_rows_that_are_some_of_all_have_weights_relative_to_all(weighted):
    problem = random_problem(weighted=weighted)
    rows = rows_of(problem, mean_weight=4.0)
    w = problem.sample_weight if weighted else np.ones(7)
    assert_allclose(rows.examples.sample_weight, w / 4.0, rtol=1e-15)
    assert rows.mean_weight == 4.0


def test_the_weights_as_given_are_left_alone():
    problem = random_problem(weighted=True)
    weights = problem.sample_weight.copy()
    weights.flags.writeable = False
    rows = rows_of(problem._replace(sample_weight=weights))
    assert not np.shares_memory(rows.examples.sample_weight, weights)
    assert_array_equal(weights, problem.sample_weight)


def test_checked_weights_are_a_float_vector():
    assert check_weights(None, 3) is None
    for weights in ([1, 0, 2], np.array([1, 0, 2], np.int8), np.array([1, 0, 2], np.float32)):
        w = check_weights(weights, 3)
        assert w.dtype == np.float64
        assert w.tolist() == [1.0, 0.0, 2.0]
    assert check_weights(2, 3).tolist() == [2.0, 2.0, 2.0]
    assert check_weights([True, False], 2).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 1], "weights has 2 entries for 3 rows"),
        ([[1], [1], [1]], r"weights must be one-dimensional; got shape \(3, 1\)"),
        ([1, -1, 1], "weights has negative values"),
        ([1, np.nan, 1], "weights contains NaN or infinity"),
        ([1, np.inf, 1], "weights contains NaN or infinity"),
        ([0, 0, 0], "weights is zero for every example"),
        (0, "weights is zero for every example"),
        (-1.0, "weights has negative values"),
    ],
    ids=str,
)
def test_weights_that_cannot_be_used_are_a_clear_error(weights, message):
    with pytest.raises(ValueError, match=message):
        check_weights(weights, 3, "weights")


# -- different rows --------------------------------------------------------------------------


@given(
    st.lists(st.lists(st.integers(-2, 2), min_size=2, max_size=2), min_size=1, max_size=15),
    st.randoms(use_true_random=False),
    st.booleans(),
    st.booleans(),
    st.integers(1, 16),
)
def test_different_rows_with_weight_are_counted(numbers, random, sparse, weighted, n):
    X = np.array(numbers, dtype=float)
    w = np.array([random.choice([0.0, 0.5, 2.0]) for _ in numbers]) if weighted else None
    kept = (
        numbers if w is None else [row for row, weight in zip(numbers, w, strict=True) if weight]
    )
    examples = RowBlock(csr_matrix(X) if sparse else X, None, w)
    assert has_distinct_rows(examples, n) == (len(set(map(tuple, kept))) >= n)


@every_storage
def test_repeated_rows_are_no_more_than_weighted_ones(sparse):
    problem = random_problem(m=40, sparse=sparse)
    twice = np.repeat(np.arange(40), 2)
    repeated = RowBlock(problem.X[twice], problem.Y[twice])
    weighted = RowBlock(problem.X, problem.Y, np.full(40, 2.0))
    n = len(np.unique(dense(problem.X), axis=0))
    for examples in (repeated, weighted):
        assert has_distinct_rows(examples, n)
        assert not has_distinct_rows(examples, n + 1)


# -- sums ------------------------------------------------------------------------------------


@every_storage
@pytest.mark.parametrize(("output_activation", "loss"), OUTPUTS_AND_LOSSES)
def test_block_sums_are_the_sums_of_the_loop(output_activation, loss, sparse):
    problem = random_problem(
        (3, 4, 3), output_activation=output_activation, loss=loss, weighted=True, sparse=sparse
    )
    sums = block_sums(problem.network, problem.theta, examples_of(problem))
    J, D = problem.reference()
    weight = problem.sample_weight.sum()
    assert_allclose(sums.weight, weight, rtol=1e-15)
    assert_allclose(sums.cost, J * weight, rtol=1e-12)
    assert_allclose(sums.gradient, D * weight, rtol=0, atol=1e-12)


@given(
    st.lists(st.integers(0, 40), max_size=8),
    st.booleans(),
    st.booleans(),
    st.sampled_from(OUTPUTS_AND_LOSSES),
    st.randoms(use_true_random=False),
)
def test_any_partition_of_the_rows_gives_the_same_sums(
    cuts, weighted, sparse, output_and_loss, random
):
    output_activation, loss = output_and_loss
    problem = random_problem(
        (3, 4, 3),
        40,
        output_activation=output_activation,
        loss=loss,
        weighted=weighted,
        sparse=sparse,
    )
    network, theta, examples = problem.network, problem.theta, examples_of(problem)
    whole = block_sums(network, theta, examples)
    order = list(range(40))
    random.shuffle(order)
    first, *others = [
        block_sums(network, theta, examples.take(rows))
        for rows in np.split(np.array(order), sorted(cuts))
    ]
    total = first.copy()
    for sums in others:
        total = total.add_(sums)
    assert_allclose(total.weight, whole.weight, rtol=1e-14)
    assert_allclose(total.cost, whole.cost, rtol=1e-13)
    assert_allclose(total.gradient, whole.gradient, rtol=0, atol=1e-13)


@every_precision
def test_a_copy_of_sums_is_changed_in_place_and_the_sums_are_not(dtype):
    problem = random_problem(weighted=True)
    problem = problem._replace(X=problem.X.astype(dtype))
    sums = block_sums(problem.network, problem.theta, examples_of(problem))
    kept = sums.gradient.copy()
    total = sums.copy()
    # Sums of many blocks are float64, whatever the precision of the rows.
    assert (sums.gradient.dtype, total.gradient.dtype) == (dtype, np.float64)
    assert_array_equal(total.gradient, kept)
    twice = total.add_(sums)
    assert twice.gradient is total.gradient
    assert (twice.weight, twice.cost) == (2 * sums.weight, 2 * sums.cost)
    assert_array_equal(twice.gradient, 2 * kept.astype(np.float64))
    assert_array_equal(sums.gradient, kept)


@every_storage
@every_precision
def test_a_workspace_changes_nothing_but_where_the_gradient_is(dtype, sparse):
    problem = random_problem((3, 4, 5, 2), weighted=True, sparse=sparse)
    network, theta = problem.network, problem.theta
    examples = examples_of(problem._replace(X=problem.X.astype(dtype)))
    # Larger than needed, and used before.
    workspace = Workspace.of(network, 9, dtype)
    for array in (*workspace.layers, *workspace.deltas, workspace.gradient):
        array.fill(np.nan)
    expected = block_sums(network, theta, examples)
    sums = block_sums(network, theta, examples, workspace=workspace)
    assert sums.gradient is workspace.gradient
    assert_allclose(sums.cost, expected.cost, rtol=1e-6 if dtype == np.float32 else 1e-14)
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    assert_allclose(sums.gradient, expected.gradient, rtol=0, atol=tolerance)
    assert CostAndGradient(network, theta)(examples, workspace).gradient is workspace.gradient


def test_no_rows_sum_to_zero():
    problem = random_problem()
    sums = block_sums(problem.network, problem.theta, examples_of(problem).take(slice(0)))
    assert (sums.weight, sums.cost) == (0.0, 0.0)
    assert_array_equal(sums.gradient, np.zeros(problem.network.n_parameters))


@every_storage
def test_sums_travel_between_processes(sparse):
    problem = random_problem(weighted=True, sparse=sparse)
    function, network, theta, block = pickle.loads(
        pickle.dumps((block_sums, problem.network, problem.theta, examples_of(problem)))
    )
    sums = pickle.loads(pickle.dumps(function(network, theta, block)))
    expected = block_sums(problem.network, problem.theta, examples_of(problem))
    assert (sums.weight, sums.cost) == (expected.weight, expected.cost)
    assert_array_equal(sums.gradient, expected.gradient)
    # So does the function that is sent to where rows are.
    record = pickle.loads(pickle.dumps(CostAndGradient(network, theta)))
    assert record.network == network
    assert_array_equal(record(block).gradient, expected.gradient)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_storage
def test_many_blocks_are_one_big_block(sparse, dtype):
    hidden, m = (100, 20_000) if sparse else (600, 4000)
    problem = random_problem((5, hidden, 3), m, weighted=True, sparse=sparse)
    problem = problem._replace(X=problem.X.astype(dtype))
    block_rows, _ = partition(problem.network, m, dtype, sparse)
    assert m > 3 * block_rows
    J, D = problem.objective()(problem.theta)
    # In float64 whatever the precision of the examples.
    examples = examples_of(problem)._replace(X=problem.X.astype(np.float64))
    sums = block_sums(problem.network, problem.theta, examples)
    tolerance = 1e-13 if dtype == np.float64 else 1e-5
    assert_allclose(J, sums.cost / sums.weight, rtol=tolerance)
    assert_allclose(D, sums.gradient / sums.weight, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    "sizes", [(2, 1), (10_000, 1), (10, 10_000, 2), (784, 100, 10), (20_000, 1000, 1000)], ids=str
)
def test_partition_is_sensible_for_any_network(sizes):
    for dtype in (np.float32, np.float64):
        for sparse in (False, True):
            for n_rows in (1, 100, 10**6):
                block_rows, n_lanes = partition(Network(sizes), n_rows, dtype, sparse)
                assert 1 <= block_rows <= min(n_rows, 1e5)
                assert 1 <= n_lanes <= MAX_LANES
                assert isinstance(block_rows, int)
                assert isinstance(n_lanes, int)


def test_blocks_are_of_equal_size_and_an_even_number():
    network = Network((784, 100, 10))
    for n_rows in (10_000, 59_999, 60_000, 60_001):
        block_rows, _ = partition(network, n_rows)
        starts = range(0, n_rows, block_rows)
        assert len(starts) % 2 == 0
        assert block_rows - (n_rows - starts[-1]) < len(starts)


def test_lanes_hold_few_gradients_where_these_are_large():
    assert partition(Network((10, 10, 2)), 10**6)[1] == MAX_LANES
    assert partition(Network((20_000, 1000, 1000)), 10**6)[1] == 2


def test_rows_may_lie_in_a_file(tmp_path):
    problem = random_problem((5, 600, 3), 1500)
    path = tmp_path / "X.npy"
    np.save(path, problem.X)
    X = np.load(path, mmap_mode="r")
    objective = Objective(problem.network, X, problem.Y, reg_lambda=1)
    assert np.shares_memory(objective.rows.examples.X, X)
    J, D = problem.objective(reg_lambda=1)(problem.theta)
    file_J, file_D = objective(problem.theta)
    assert J == file_J
    assert D.tobytes() == file_D.tobytes()


def test_examples_are_not_copied_as_a_whole():
    problem = random_problem()
    assert np.shares_memory(problem.objective().rows.examples.X, problem.X)
    sparse = random_problem(sparse=True)
    stored = sparse.objective().rows.examples.X
    assert np.shares_memory(csr_matrix(stored).data, sparse.X.data)


# -- sizes of blocks, by hand ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "dtype", "block_rows"),
    [
        ((784, 100, 10), np.float64, 1337),  # 8 MiB of features: 1337.5 rows of 784 * 8 bytes
        ((784, 100, 10), np.float32, 2674),
        ((10, 1000, 10), np.float64, 519),  # 4 MiB of activations: 519.1 rows of 1010 * 8 bytes
        ((10, 1000, 10), np.float32, 1038),
        ((2, 1), np.float64, 4096),
        ((10, 10_000, 2), np.float64, 256),
    ],
    ids=str,
)
def test_a_block_just_fills_the_caches(sizes, dtype, block_rows):
    # So many rows that blocks of equal size are as large as they may be.
    n_rows = 2 * block_rows * (block_rows - 1) * (block_rows + 1)
    assert partition(Network(sizes), n_rows, dtype)[0] == block_rows


def test_blocks_of_sparse_rows_are_larger():
    n_rows = 2 * 4095 * 4096 * 4097
    assert partition(Network((784, 100, 10)), n_rows, sparse=True)[0] == 4096


@pytest.mark.parametrize(
    ("n_parameters", "n_lanes"),
    # The gradients of all lanes have at most 2^23 entries, but there are two lanes or more.
    [(2, 16), (2**19, 16), (2**19 + 1, 15), (2**21, 4), (2**22, 2), (2**23, 2), (2**24, 2)],
)
def test_the_number_of_lanes(n_parameters, n_lanes):
    assert partition(Network((n_parameters - 1, 1)), 10**6)[1] == n_lanes


def test_threads_are_worth_64_mib_of_products():
    network = Network((511, 8))  # of 4096 parameters
    for n_rows, dtype, large in [
        (2048, np.float64, False),
        (2049, np.float64, True),
        (4096, np.float32, False),
        (4097, np.float32, True),
    ]:
        rows = ArrayRows.of(RowBlock(np.zeros((n_rows, 511), dtype)))
        assert rows.is_large(network) == large
    # A block for each of two threads.
    assert partition(network, 2048)[0] == 2048
    assert partition(network, 2049)[0] == 1025


def test_rows_are_compared_by_identity():
    # A comparison of their arrays would have no single truth.
    rows = numbered_rows(3)
    assert rows == rows
    assert rows != numbered_rows(3)
    assert rows.n_threads == 1


@every_storage
def test_picked_rows_are_cut_out_block_by_block(sparse):
    X = np.arange(15.0).reshape(5, 3)
    examples = RowBlock(csr_matrix(X) if sparse else X, np.arange(5), np.arange(5.0))
    numbers = np.array([4, 0, 2])
    picked = examples.pick(numbers)
    assert (picked.X.shape, picked.X.dtype) == ((3, 3), np.float64)
    rows = ArrayRows(picked, 1.0, np.dtype(np.float32))
    for part in (slice(None), slice(1, 3), np.array([2, 0])):
        block = rows.block(part)
        assert block.X.dtype == np.float32
        assert_array_equal(dense(block.X), X[numbers[part]])
        assert_array_equal(block.y, numbers[part])
        assert_array_equal(block.sample_weight, numbers[part])
    assert sparse or np.shares_memory(picked.X.X, X)
    again = rows.pick(np.array([2, 1]))
    assert again.dtype == np.float32
    assert_array_equal(dense(again.block(slice(None)).X), X[[2, 0]])
    assert_array_equal(again.examples.y, [2, 0])
    assert sparse or np.shares_memory(again.examples.X.X, X)


def test_selected_rows_are_copied_to_a_buffer_and_consecutive_ones_are_not():
    X = np.arange(15.0).reshape(5, 3)
    rows = ArrayRows.of(RowBlock(X, np.arange(5)))
    room = rows.room(4)
    assert (room.shape, room.dtype) == ((4, 3), np.float64)
    chosen = rows.block(np.array([3, 1]), room).X
    assert_array_equal(chosen, X[[3, 1]])
    assert np.shares_memory(chosen, room)
    assert np.shares_memory(rows.block(slice(1, 3), room).X, X)


def test_there_is_no_buffer_where_rows_are_converted():
    X = np.arange(15.0).reshape(5, 3)
    rows = ArrayRows.of(RowBlock(X))
    assert rows.astype(np.float32).room(4) is None
    for other in (csr_matrix(X), np.asfortranarray(X), X[:, :2]):
        assert ArrayRows.of(RowBlock(other)).room(4) is None


def test_a_view_of_a_file_is_mapped(tmp_path):
    X = np.memmap(tmp_path / "X", np.float64, "w+", shape=(5, 3))
    assert all(is_mapped(view) for view in (X, X[1:], np.asarray(X)[::2]))
    assert not any(is_mapped(other) for other in (np.array(X), np.ones(3)[1:], csr_matrix(X)))


def test_rows_have_one_thread_unless_it_is_said_otherwise():
    examples = RowBlock(np.zeros((2, 1)))
    assert ArrayRows.of(examples).n_threads == 1
    assert ArrayRows(examples, 1.0, np.dtype(np.float64)).n_threads == 1


def test_rows_are_made_contiguous_and_those_that_are_stay():
    X = np.arange(24.0).reshape(4, 6)
    for rows in (X, X[1:], X[:, :5], X[::2], csr_matrix(X)):
        assert row_by_row(rows) is rows
    for rows in (X[:, ::2], X.T, X[::-1], np.broadcast_to(X[0], (4, 6))):
        found = row_by_row(rows)
        assert found.flags.c_contiguous
        assert_array_equal(found, rows)
