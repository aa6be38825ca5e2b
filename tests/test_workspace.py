import numpy as np
import pytest

from skbackprop import Network
from skbackprop.workspace import Workspace, Workspaces

NETWORK = Network((3, 5, 4, 2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_workspace_has_a_place_for_each_layer(dtype):
    layers, deltas, gradient = Workspace.of(NETWORK, 7, dtype)
    assert [A.shape for A in layers] == [(7, 5), (7, 4), (7, 2)]
    assert [delta.shape for delta in deltas] == [(7, 5), (7, 4)]
    assert gradient.shape == (NETWORK.n_parameters,)
    assert {array.dtype for array in (*layers, *deltas, gradient)} == {np.dtype(dtype)}
    assert all(array.flags.f_contiguous for array in (*layers, *deltas))


def test_fewer_rows_are_views_of_the_first():
    workspace = Workspace.of(NETWORK, 7, np.float64)
    assert workspace.first(7) is workspace
    layers, deltas, gradient = workspace.first(3)
    assert gradient is workspace.gradient
    for parts, wholes in ((layers, workspace.layers), (deltas, workspace.deltas)):
        for part, whole in zip(parts, wholes, strict=True):
            whole[...] = np.arange(7)[:, np.newaxis]
            assert part.shape == (3, whole.shape[1])
            assert part[:, 0].tolist() == [0, 1, 2]
            assert np.shares_memory(part, whole)


def borrowed(pool, n_rows, dtype=np.float64, network=NETWORK):
    with pool.borrow(network, n_rows, dtype) as workspace:
        assert len(workspace.layers[0]) >= n_rows
        assert workspace.gradient.dtype == dtype
        return workspace


def test_a_workspace_is_lent_again_for_as_many_rows_or_fewer():
    pool = Workspaces()
    first = borrowed(pool, 7)
    assert borrowed(pool, 7) is first
    assert borrowed(pool, 6) is first
    assert borrowed(pool, 8) is not first


@pytest.mark.parametrize("changed", [{"dtype": np.float32}, {"network": Network((3, 5, 4, 1))}])
def test_another_precision_or_network_needs_another_workspace(changed):
    pool = Workspaces()
    first = borrowed(pool, 7)
    other = borrowed(pool, 7, **changed)
    assert other is not first
    assert borrowed(pool, 7, **changed) is other


def test_workspaces_in_use_at_the_same_time_are_different():
    pool = Workspaces()
    with pool.borrow(NETWORK, 7, np.float64) as one, pool.borrow(NETWORK, 7, np.float64) as two:
        assert one is not two
    with pool.borrow(NETWORK, 7, np.float64) as three, pool.borrow(NETWORK, 7, np.float64) as four:
        assert {id(three), id(four)} == {id(one), id(two)}


def test_a_workspace_comes_back_after_an_error():
    pool = Workspaces()
    with pytest.raises(MemoryError), pool.borrow(NETWORK, 7, np.float64) as first:
        raise MemoryError
    assert borrowed(pool, 7) is first
