import pickle
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from problems import OUTPUTS_AND_LOSSES, random_problem
from scipy.sparse import csr_matrix

from skbackprop import Network, Objective
from skbackprop.blocks import ArrayRows, RowBlock
from skbackprop.objective import block_sums, partition

every_storage = pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])


class Visited(list):
    """The row numbers that were seen, in the order of the sum."""

    def kept(self):
        return Visited(self)

    def plus(self, other):
        self.extend(other)
        return self


def visited_rows(rows, block_rows, n_lanes, map=map):
    return rows.add_up(
        lambda block, workspace: Visited([block.X[:, 0].astype(int).tolist()]),
        block_rows=block_rows,
        n_lanes=n_lanes,
        map=map,
    )


def numbered_rows(m):
    return ArrayRows(RowBlock(np.arange(m, dtype=float)[:, np.newaxis], np.zeros(m, int), None))


# -- rows ----------------------------------------------------------------------------------


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 7))
def test_every_row_is_visited_once_in_the_order_of_blocks_and_lanes(m, block_rows, n_lanes):
    blocks = [list(range(m))[start : start + block_rows] for start in range(0, m, block_rows)]
    expected = [block for lane in range(n_lanes) for block in blocks[lane::n_lanes]]
    assert visited_rows(numbered_rows(m), block_rows, n_lanes) == expected


def test_threads_that_finish_in_another_order_change_nothing():
    rows = numbered_rows(50)
    with ThreadPoolExecutor(4) as executor:

        def first_lane_last(function, lanes):
            def delayed(numbered):
                sleep(0.02 * (4 - numbered[0]))
                return function(numbered[1])

            return executor.map(delayed, enumerate(lanes))

        assert visited_rows(rows, 4, 4, first_lane_last) == visited_rows(rows, 4, 4)


@every_storage
def test_a_block_has_the_examples_of_its_rows(sparse):
    problem = random_problem(m=9, weighted=True, sparse=sparse)
    rows = ArrayRows(RowBlock(problem.X, problem.Y, problem.sample_weight))
    for chosen in (slice(2, 5), slice(None, None, 3), np.array([7, 0, 7])):
        X, y, sample_weight = rows.block(chosen)
        X = X.toarray() if sparse else X
        dense = problem.X.toarray() if sparse else problem.X
        assert_array_equal(X, dense[chosen])
        assert_array_equal(y, problem.Y[chosen])
        assert_array_equal(sample_weight, problem.sample_weight[chosen])


def test_a_block_of_consecutive_rows_is_no_copy():
    problem = random_problem()
    rows = ArrayRows(RowBlock(problem.X, problem.Y, None))
    assert np.shares_memory(rows.block(slice(2, 5)).X, problem.X)
    assert np.shares_memory(ArrayRows(rows.block(slice(2, 5))).examples.X, problem.X)


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_rows_know_their_number_and_weight(weighted):
    problem = random_problem(m=9, weighted=weighted)
    rows = ArrayRows(RowBlock(problem.X, problem.Y, problem.sample_weight))
    assert rows.n_rows == 9
    assert_allclose(rows.weight, sum(problem.sample_weight) if weighted else 9, rtol=1e-15)


@every_storage
def test_the_precision_of_the_blocks_can_be_chosen(sparse):
    problem = random_problem(sparse=sparse)
    rows = ArrayRows(RowBlock(problem.X, problem.Y, None))
    single = rows.astype(np.float32)
    assert (rows.dtype, single.dtype) == (np.float64, np.float32)
    assert rows.block(slice(3)).X.dtype == np.float64
    assert single.block(slice(3)).X.dtype == np.float32
    # The examples stay what they are.
    assert single.examples.X.dtype == np.float64


# -- sums ------------------------------------------------------------------------------------


def examples_of(problem):
    return RowBlock(problem.X, problem.Y, problem.sample_weight)


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
    total, *others = [
        block_sums(network, theta, examples.take(rows))
        for rows in np.split(np.array(order), sorted(cuts))
    ]
    for sums in others:
        total = total.plus(sums)
    assert_allclose(total.weight, whole.weight, rtol=1e-14)
    assert_allclose(total.cost, whole.cost, rtol=1e-13)
    assert_allclose(total.gradient, whole.gradient, rtol=0, atol=1e-13)


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_storage
def test_many_blocks_are_one_big_block(sparse, dtype):
    m = 20_000 if sparse else 4000
    problem = random_problem((5, 600, 3), m, weighted=True, sparse=sparse)
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
    block_rows, n_lanes = partition(Network(sizes), 10**6)
    assert 1 <= block_rows <= 1e5
    assert 1 <= n_lanes <= 64
    assert isinstance(block_rows, int)
    assert isinstance(n_lanes, int)


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
