"""Walking on a map: through streets, not through walls; gains are those of where one is."""

import numpy as np
import pytest

from cfenvs.maps import MapWalk, neighbouring, open_map
from tests.maps.hand import corner_map, field_map


def test_neighbours_are_those_around_and_not_across_a_corner():
    paths = neighbouring(corner_map(), threshold_db=-np.inf)
    near = [set(row[row >= 0].tolist()) for row in paths.neighbours]
    assert near[0] == {1, 6}
    assert near[1] == {0, 2}  # not 6: the house at the corner is between
    assert near[10] == {9}
    assert paths.shortest == 10.0
    heard = neighbouring(corner_map())
    assert not (heard.neighbours == 10).any()  # nobody hears there
    middle = 21 * 10 + 10
    field = neighbouring(field_map(21))
    assert (field.neighbours[middle] >= 0).sum() == 8
    with pytest.raises(ValueError, match=r"no spacing.*give `reach`"):
        neighbouring(corner_map(spacing=0.0))
    assert (neighbouring(corner_map(spacing=0.0), reach=15.0).neighbours[1] == 6).any()


def test_who_walks_stays_in_the_streets_and_hears_what_is_heard_there():
    mapped, stride = corner_map(), 3.7
    walk = MapWalk(mapped, neighbouring(mapped), [0, 3, 7], stride, np.random.default_rng(0))
    positions, gain_db = walk.go(2000)
    in_street = (abs(positions - 5.0) < 1e-9).any(axis=-1)  # one of the coordinates is that of a street
    assert in_street.all()
    moved = np.hypot(*np.diff(positions, axis=0).transpose(2, 0, 1))
    assert moved.max() <= stride + 1e-9
    assert np.median(moved) == pytest.approx(stride)  # less only where one turns
    nearest = ((mapped.places[:, :2] - positions[:, :, None]) ** 2).sum(-1).argmin(-1)
    ends = (positions[..., 0] + positions[..., 1]) % 10 == 0  # as far from one place as from the other
    expected = np.moveaxis(mapped.gain_db[:, nearest], 0, 1)
    assert (gain_db == expected).all(axis=1)[~ends].all()
    assert set(nearest.ravel().tolist()) == set(range(10))


def test_a_walk_is_the_same_in_blocks_of_any_size():
    mapped = field_map()
    paths = neighbouring(mapped)
    whole = MapWalk(mapped, paths, np.arange(5), 12.0, np.random.default_rng(4)).go(40)
    walk = MapWalk(mapped, paths, np.arange(5), 12.0, np.random.default_rng(4))
    blocks = [walk.go(steps) for steps in (1, 15, 24)]
    for i in (0, 1):
        np.testing.assert_array_equal(np.concatenate([blocks[0][i], blocks[1][i][1:], blocks[2][i][1:]]), whole[i])


def test_who_walks_goes_straight_on_more_often_than_back():
    mapped = field_map()
    walk = MapWalk(mapped, neighbouring(mapped), np.arange(200), 10.0, np.random.default_rng(1))
    steps = np.diff(walk.go(100)[0], axis=0)[10:]
    turn = (steps[1:] * steps[:-1]).sum(-1) / np.prod(
        [np.hypot(*s.transpose(2, 0, 1)) + 1e-12 for s in (steps[1:], steps[:-1])], 0
    )
    assert (turn > 0.7).mean() > 0.7
    assert (turn < -0.7).mean() < 0.1


def test_who_can_go_nowhere_stays_and_who_does_not_move_is_where_it_was():
    alone = corner_map(spacing=1.0)  # no two places are as near
    positions, _ = MapWalk(alone, neighbouring(alone), [2, 5], 3.0, np.random.default_rng(0)).go(5)
    np.testing.assert_array_equal(positions, np.broadcast_to(alone.places[[2, 5], :2], (6, 2, 2)))
    mapped = corner_map()
    positions, gain_db = MapWalk(mapped, neighbouring(mapped), [2, 5], 0.0, np.random.default_rng(0)).go(3)
    np.testing.assert_array_equal(positions, np.broadcast_to(mapped.places[[2, 5], :2], (4, 2, 2)))
    np.testing.assert_array_equal(gain_db[-1], mapped.gain_db[:, [2, 5]])
    for wrong in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="stride"):
            MapWalk(mapped, neighbouring(mapped), [2], wrong, np.random.default_rng(0))


def test_in_the_city_most_places_are_connected():
    munich = open_map("munich")
    paths = neighbouring(munich)
    degree = (paths.neighbours >= 0).sum(axis=1)
    assert (degree > 0).mean() > 0.97
    positions, gain_db = MapWalk(munich, paths, np.arange(0, 4000, 400), 1.4, np.random.default_rng(0)).go(500)
    assert positions.shape == (501, 10, 2)
    assert gain_db.shape == (501, 25, 10)
    nearest = ((munich.places[:, None, :2] - positions[::50].reshape(-1, 2)) ** 2).sum(-1).min(0) ** 0.5
    assert nearest.max() <= 5.0 / np.sqrt(2) + 1e-9
