"""Receivers, path losses, shadowing, pilot assignments and activities of one's own, from outside of the package.

That all faces agree on them to the bit is in `tests/vector`, whose cases `cell-free-own` and `xl-mimo-own` have them.
"""

import pickle
from functools import cache, partial, wraps
from itertools import pairwise

import gymnasium as gym
import numba
import numpy as np
import pytest

import cfenvs.cell_free
import cfenvs.xl_mimo
from cfenvs.__main__ import main
from cfenvs.cell_free.activity import Activity
from cfenvs.cell_free.receivers import MaximumRatioReceiver, Receiver
from cfenvs.control import PowerSolution
from cfenvs.core.config import require_takes
from cfenvs.evaluation import Protocol, evaluate
from cfenvs.power.propagation import PathLoss
from cfenvs.radio import path_loss
from cfenvs.registration import IDS, system_of
from tests import own
from tests.systems import CASES
from tests.vector.test_same_bits import same

CELL_FREE, XL_MIMO, AUCTION = "CellFreeUplinkPower-v0", "XLMIMOPower-v0", "RISAuction-v0"
OWN = {case.id: case.kwargs for case in CASES if case.name.endswith("-own")}
FIELDS = {
    "receiver": ("tests.own:Matched", own.Matched, partial(own.Matched, largest=2.0)),
    "path_loss": ("tests.own:two_ray", own.two_ray, own.Street, own.Street()),
    "shadowing": ("tests.own:blocked", own.blocked),
    "pilot_assignment": ("tests.own:in_turn", own.in_turn),
    "clusters": ("tests.own:strongest", own.strongest),
    "activity": ("tests.own:Rota", own.Rota),
}


def make(**kwargs):
    return gym.make(CELL_FREE, **{"preset": "small", "episode_length": 4, **kwargs})


def played(env, seed=3):
    """Two episodes of random actions."""
    env.action_space.seed(0)
    found = [env.reset(seed=seed)]
    for _ in range(2):
        found += [env.step(env.action_space.sample()) for _ in range(4)]
        found.append(env.reset())
    return found


@pytest.mark.parametrize(("field", "choice"), [(field, one) for field, several in FIELDS.items() for one in several])
def test_a_part_is_taken_by_name_or_as_it_is(field, choice):
    env = make(**{field: choice})
    earned = played(env)
    assert len({step[1] for step in earned if len(step) == 5}) > 4
    env.unwrapped.optimum()
    if isinstance(choice, str):
        again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
        same(tuple(earned), tuple(played(again)))
        same(tuple(earned), tuple(played(make(**{field: FIELDS[field][1]}))))


def test_what_is_said_is_done():
    """Path loss, shadowing and pilots by hand; the gains are over the noise."""
    env = make(
        path_loss=own.Street, shadowing=lambda links, config, rng: np.full(links.distance.shape, -7.0),
        pilot_assignment=lambda gains, config, rng: [2, 1, 0, 1, 2], receiver="mr", height=30.0,
    )  # fmt: skip
    env.reset(seed=0)
    scenario = env.unwrapped.scenario
    offset = np.abs(scenario.users - scenario.access_points[:, None])
    ground = np.hypot(*np.minimum(offset, 1000.0 - offset).transpose(2, 0, 1))
    gain_db = -38.5 - 20.0 * np.log10(np.hypot(ground, 30.0)) - 7.0 * (ground > 300.0)
    noise_db = path_loss.noise_power_dbm(20e6, 7.0)
    np.testing.assert_allclose(path_loss.linear_to_db(scenario.gains) + noise_db, gain_db)
    assert scenario.pilots.tolist() == [2, 1, 0, 1, 2]


def ground_distance(scenario):
    """Between base stations and users of XL-MIMO on a square of a kilometre that wraps around."""
    offset = np.abs(scenario.users - scenario.base_stations[:, None])
    return np.hypot(*np.minimum(offset, 1000.0 - offset).transpose(2, 0, 1))


@pytest.mark.parametrize("mobility", ["static", "random-waypoint"])
def test_path_loss_and_shadowing_of_xl_mimo_are_what_is_said(mobility):
    """The same objects as in the other system; walking users keep shadowing of ours."""
    shadowing = own.blocked if mobility == "static" else "independent"
    env = gym.make(XL_MIMO, path_loss=own.Street, shadowing=shadowing, mobility=mobility, height=30.0, users=40)
    env = env.unwrapped
    env.reset(seed=0)
    scenario, ground = env.scenario, ground_distance(env.scenario)
    shadow = scenario.shadowing_db * (ground > 300.0)
    assert set(np.unique(shadow)) == {-20.0, 0.0} if mobility == "static" else 3.0 < shadow[ground > 300.0].std() < 5.0
    gain_db = -38.5 - 20.0 * np.log10(np.hypot(ground, 30.0)) + shadow
    np.testing.assert_allclose(path_loss.linear_to_db(scenario.gains) - 94.0, gain_db)
    np.testing.assert_array_equal(env.simulator.gains[0], scenario.gains)


def test_the_three_slopes_have_no_shadowing_nearby_along_a_walk_either():
    """Users walk 10 m a step: of the same walk, gains with much shadowing and with none agree within 50 m only."""
    walks = []
    for std in (0.0, 8.0):
        env = gym.make(XL_MIMO, path_loss="three-slope", shadowing_std_db=std, mobility="random-waypoint", users=40,
                       height=0.0).unwrapped  # fmt: skip
        env.reset(seed=0)
        for _ in range(10):
            env.step(np.ones(40, np.float32))
        walks.append((env.simulator.positions[0], env.simulator.gains[0]))
    (users, gains), (same_users, shadowed) = walks
    np.testing.assert_array_equal(users, same_users)
    offset = np.abs(users - env.scenario.base_stations[:, None])
    near = np.hypot(*np.minimum(offset, 1000.0 - offset).transpose(2, 0, 1)) < 50.0
    assert 0 < near.sum() < near.size
    np.testing.assert_array_equal(gains == shadowed, near)


def test_given_gains_of_xl_mimo_are_those_whatever_the_path_loss():
    given = np.linspace(-120.0, -70.0, 9 * 6).reshape(9, 6)
    env = gym.make(XL_MIMO, network={"gain_db": given}, path_loss="three-slope", shadowing=own.blocked).unwrapped
    env.reset(seed=0)
    np.testing.assert_allclose(path_loss.linear_to_db(env.scenario.gains) - 94.0, given)


@pytest.mark.parametrize("shadowing", [own.blocked, "tests.own:blocked"])
def test_shadowing_of_which_nothing_says_how_it_evolves_is_refused_for_walking_users(shadowing):
    gym.make(XL_MIMO, shadowing=shadowing)
    with pytest.raises(
        ValueError, match=r"shadowing=.*must be one of 'user-correlated', 'independent', .* with mobility="
    ):
        gym.make(XL_MIMO, shadowing=shadowing, mobility="random-waypoint")


@pytest.mark.parametrize("env_id", [XL_MIMO, CELL_FREE])
@pytest.mark.parametrize(("field", "mobility"), [("path_loss", "random-waypoint"), ("shadowing", "static")])
def test_a_reset_in_which_a_part_raises_late_changes_nothing(env_id, field, mobility):
    """A path loss is asked along a walk too, when networks of other worlds have changed already."""
    fine, fails = {"path_loss": own.two_ray, "shadowing": own.blocked}[field], []

    def failing(links, *more):
        if fails and fails.pop():
            raise OSError("the file server is away")
        return fine(links, *more)

    kwargs = {"users": 3, "episode_length": 4, "mobility": mobility, "receiver": "mr"}
    env, twin = (gym.make_vec(env_id, 3, **{field: part}, **kwargs) for part in (failing, fine))
    env.action_space.seed(0)
    same(env.reset(seed=3), twin.reset(seed=3))
    asked = 3 + 3 * 5 if mobility != "static" else 3  # new networks, then each step of each walk
    for last in (2, asked - 1):
        fails[:] = [True, *[False] * last]
        with pytest.raises(OSError, match="file server"):
            env.reset()
        assert not fails
        actions = env.action_space.sample()
        same(env.step(actions), twin.step(actions))
    same(env.reset(), twin.reset())


def test_an_activity_of_ones_own_is_what_is_seen():
    env = make(activity=own.Rota, receiver="mr", episode_length=6)
    seen = [env.reset(seed=1)[0], *(env.step([1] * 5)[0] for _ in range(6))]
    resting = [int(np.flatnonzero(observation[:5] == 0)[0]) for observation in seen]
    assert all((later - first) % 5 == 1 for first, later in pairwise(resting))
    chosen = np.array([True, False, False, True, False])
    observation, _ = env.reset(options={"active": chosen})
    assert observation[:5].tolist() == chosen.tolist()


@pytest.mark.parametrize("objective", ["min", "sum"])
@pytest.mark.parametrize("env_id", OWN)
def test_an_optimum_is_certified_only_if_the_receiver_says_so(env_id, objective, monkeypatch):
    kwargs = {**OWN[env_id], "objective": objective}
    env = gym.make(env_id, **kwargs).unwrapped
    env.reset(seed=0)
    best = env.optimum()
    assert not best.certified
    full = env.reset(seed=0) and env.step(env.action_space.high if env_id == XL_MIMO else env.action_space.nvec - 1)
    assert best.value >= full[-1]["objective"]
    kind = own.Matched if env_id == CELL_FREE else own.MatchedStations
    monkeypatch.setattr(kind, "max_min_is_exact", True)
    env.reset(seed=0)
    assert env.optimum().certified == (objective == "min")
    assert env.optimum().continuous.value == pytest.approx(best.continuous.value, rel=1e-6)


@pytest.mark.parametrize("env_id", OWN)
def test_worlds_with_own_parts_are_pickled(env_id):
    env = gym.make_vec(env_id, 2, **OWN[env_id])
    env.reset(seed=5)
    twin = pickle.loads(pickle.dumps(env.simulator))
    powers = np.full((2, env.simulator.config.users), 3.0)
    same(env.simulator.receiver.efficiencies(powers), twin.receiver.efficiencies(powers))


class Half(Receiver):
    """It lacks what is asked of it."""

    def prepare(self, world, scenario, rng, sending):
        pass


class Wandering:
    """It has what is asked of a receiver, but is none."""


def alone(config, num_worlds):
    return own.Matched(config, num_worlds)


REFUSED = [
    ({"receiver": "zf"}, "'lp-mmse', 'mr', or a class of your own derived from"),
    ({"receiver": "tests.own:ZeroForcing"}, "'tests.own:ZeroForcing' cannot be loaded"),
    ({"receiver": "tests.nowhere:ZeroForcing"}, "cannot be loaded"),
    ({"receiver": Wandering}, "derived from cfenvs.cell_free.receivers.Receiver, as it is or as 'module:Name'"),
    ({"receiver": alone}, "derived from cfenvs.cell_free.receivers.Receiver"),
    ({"receiver": own.MatchedStations}, "derived from cfenvs.cell_free.receivers.Receiver"),
    ({"receiver": Half}, "lacks efficiencies_in, which cfenvs.cell_free.receivers.Receiver describes"),
    ({"receiver": own.Matched, "lsfd": "optimal"}, "lsfd='optimal': must be None: Matched offers no other"),
    ({"receiver": own.Matched, "fading": "block"}, "fading='block': must be 'average': Matched offers no other"),
    ({"receiver": own.Matched, "utility": "cqi"}, "utility='cqi': must be 'shannon': Matched offers no other"),
    ({"path_loss": "free"}, "'3gpp-inf-hh', or a function (links, config) of your own"),
    ({"path_loss": 3.5}, "path_loss=3.5: must be one of"),
    ({"path_loss": own.Street, "carrier_ghz": 3.0}, "carrier_ghz=3.0: Street is measured at 2 GHz"),
    ({"shadowing": ["independent"]}, "shadowing=['independent']: must be one of"),
    ({"pilot_assignment": None}, "pilot_assignment=None: must be one of 'least-contaminated', 'greedy', 'random', "),
    ({"activity": "bursts"}, "activity='bursts': must be one of 'markov', 'static', 'toggle', 'daily', or a class"),
    ({"activity": own.Rota, "active_users": 2}, "active_users=2: must be None: Rota offers no other"),
    ({"activity": own.Rota, "toggle_step": 2}, "toggle_step=2: must be None: Rota offers no other"),
]  # fmt: skip


class Unfinished(PathLoss):
    """It lacks what every path loss has."""


class Measured:
    """A path loss that takes an argument of its own, and says of no link whether it has shadowing."""

    def __init__(self, exponent):
        self.exponent = exponent

    def __call__(self, links, config):
        return -10.0 * self.exponent * np.log10(links.distance)

    def shadowed(self, links, config):
        return None


class Total:
    """An objective."""

    def __call__(self, rates, active, powers):
        return rates.sum(axis=-1)


class Bidding:
    """A bidder that takes no seat."""

    def __call__(self, observations, masks, rng):
        return masks

    def attach(self):
        pass


def with_methods(base, **methods):
    """A class of one's own in which methods are others."""
    return type("Mine", (base,), methods)


MISFITS = [
    (CELL_FREE, {"path_loss": lambda links: 0.0}, "path_loss=<lambda>(links): is called with (links, config) in turn"),
    (XL_MIMO, {"path_loss": "tests.own:blocked"}, "path_loss=blocked(links, config, rng): is called with"),
    (CELL_FREE, {"path_loss": Measured}, "path_loss=Measured(exponent): is called with () in turn: missing"),
    (CELL_FREE, {"path_loss": Measured(2.0)}, "path_loss=Measured.shadowed(links, config): is called with (links) in"),
    (CELL_FREE, {"path_loss": Unfinished}, "lacks __call__, which its base class describes"),
    (CELL_FREE, {"path_loss": partial(own.two_ray, 3)}, "path_loss=two_ray(config): is called with (links, config)"),
    (CELL_FREE, {"path_loss": partial(own.two_ray, slope=3)}, "got an unexpected keyword argument 'slope'"),
    (XL_MIMO, {"shadowing": own.two_ray}, "shadowing=two_ray(links, config): is called with (links, config, rng) in"),
    (CELL_FREE, {"pilot_assignment": own.two_ray}, "is called with (gains, config, rng) in turn: too many positional"),
    (CELL_FREE, {"clusters": lambda gains: gains > 0}, "clusters=<lambda>(gains): is called with (gains, pilots, conf"),
    (CELL_FREE, {"objective": lambda rates: 0.0}, "objective=<lambda>(rates): is called with (rates, active, powers)"),
    (XL_MIMO, {"objective": Total}, "objective=Total(): is called with (rates, active, powers) in turn"),
    (XL_MIMO, {"objective": {"sum": 1.0, "tests.own:two_ray": 1.0}}, "objective=two_ray(links, config): is called"),
    (CELL_FREE, {"network": lambda config: {}}, "network=<lambda>(config): is called with (config, rng) in turn"),
    (XL_MIMO, {"network": {"users": lambda: 0.0}, "mobility": "given"}, "network['users']=<lambda>(): is called with"),
    (CELL_FREE, {"receiver": partial(own.Matched, order=2)}, "got an unexpected keyword argument 'order'"),
    (CELL_FREE, {"receiver": with_methods(own.Matched, __init__=lambda self, config: None)}, "(config, num_worlds) in"),
    (CELL_FREE, {"receiver": with_methods(own.Matched, check=lambda self, config: None)}, "with (config) in turn: mis"),
    (CELL_FREE, {"receiver": with_methods(own.Matched, max_min=lambda self, world: 0)}, "with (world, active) in turn"),
    (XL_MIMO, {"receiver": with_methods(own.MatchedStations, follow=lambda self, gains: 0)}, "with (gains, worlds) in"),
    (CELL_FREE, {"activity": with_methods(own.Rota, path=lambda self, world: 0)}, "called with (world, rng, initial)"),
    (AUCTION, {"opponents": [lambda observations: 0]}, "opponents=<lambda>(observations): is called with (observation"),
    (AUCTION, {"opponents": Bidding()}, "opponents=Bidding.attach(): is called with (seat) in turn: too many"),
    (AUCTION, {"opponents": "tests.own:Rota"}, "opponents=Rota(config, num_worlds): is called with () in turn"),
]  # fmt: skip


@pytest.mark.parametrize(("env_id", "kwargs", "message"), MISFITS, ids=range(len(MISFITS)))
def test_a_part_that_takes_other_arguments_is_refused_when_it_is_given(env_id, kwargs, message):
    with pytest.raises(ValueError) as caught:
        gym.make(env_id, **kwargs)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "protocol", [{"env_id": XL_MIMO}, {"env_id": AUCTION, "rivals": ["greedy"]}], ids=["", "rivals"]
)
def test_a_policy_that_takes_other_arguments_is_refused_before_it_is_asked(protocol):
    policy = type("Blind", (), {"act": lambda self, observations: observations})()
    with pytest.raises(ValueError, match=r"policy=<lambda>\(observations\): is called with \(observations, infos\) in"):
        evaluate(policy, Protocol(num_scenarios=1, **protocol))


class Tools:
    """A path loss among the methods of something else."""

    def two_ray(self, links, config):
        return own.two_ray(links, config)


def with_height(function):
    """Gives an argument that callers do not: what is wrapped takes more than the wrapper."""

    @wraps(function)
    def of_two(links, config):
        return function(links, config, 1.5)

    return of_two


FITTING = [
    {"path_loss": lambda *arguments: own.two_ray(*arguments)},
    {"path_loss": lambda links, config, exponent=2.0: own.two_ray(links, config)},
    {"path_loss": partial(lambda exponent, links, config: own.two_ray(links, config), 2.0)},
    {"path_loss": Tools().two_ray},
    {"path_loss": cache(lambda *arguments: own.two_ray(*arguments))},
    {"path_loss": with_height(lambda links, config, height: own.two_ray(links, config))},
    {"objective": Total()},
    {"receiver": partial(own.Matched, largest=2.0)},
    {"receiver": with_methods(own.Matched, start_fading=lambda self, *these: None)},
    {"receiver": with_methods(own.Matched, jacobian=staticmethod(lambda world, p, *more: None))},
]  # fmt: skip


@pytest.mark.parametrize("kwargs", FITTING, ids=range(len(FITTING)))
def test_a_part_that_can_be_called_is_taken_however_it_says_so(kwargs):
    assert np.isfinite([step[1] for step in played(make(**{"receiver": "mr", **kwargs})) if len(step) == 5]).all()


def test_what_numba_makes_of_a_function_is_taken_as_it_is():
    """Of one that returns through its last argument it makes one of three."""

    def total(rates, active, powers, out):
        out[0] = rates.sum()

    for compiled in (
        numba.guvectorize("(k),(k),(k)->()")(total),
        numba.njit(lambda rates, active, powers: rates[:, 0]),
    ):
        require_takes(compiled, "objective", "(rates, active, powers)")


@pytest.mark.parametrize(("kwargs", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_part_is_refused_when_it_is_given(kwargs, message):
    with pytest.raises(ValueError) as caught:
        make(**kwargs)
    assert message in str(caught.value)


def test_a_receiver_of_xl_mimo_says_whether_it_is_for_the_near_field():
    with pytest.raises(ValueError, match="MatchedStations does not say that it heeds them"):
        gym.make(XL_MIMO, preset="near-field", receiver=own.MatchedStations)
    with pytest.raises(ValueError, match=r"receiver=3: must be one of 'mr', .*, or a class of your own"):
        gym.make(XL_MIMO, receiver=3)


class Loud(MaximumRatioReceiver):
    """Maximum ratio as if all gains were twice as large: it changes one method of ours and must not be bypassed."""

    def set_pilots(self, world, scenario, sending):
        scenario.gains[:] *= 2.0
        super().set_pilots(world, scenario, sending)


def test_what_derives_from_ours_is_asked_itself_and_claims_nothing_that_ours_does_elsewhere():
    ours, theirs = (make(receiver=receiver, activity="static") for receiver in ("mr", Loud))
    for env in (ours, theirs):
        env.reset(seed=0)
    assert (theirs.step([4] * 5)[4]["rates"] > ours.step([4] * 5)[4]["rates"]).all()

    class Mine(cfenvs.cell_free.RECEIVERS["mmse"]):
        pass

    with pytest.raises(ValueError, match="fading='block': must be 'average': Mine offers no other"):
        make(receiver=Mine, fading="block")


# What is returned is checked, and where it is wrong, or raises, nothing has changed.


def broken(field, values):
    """A part that is as ours until it is asked for the last network, and then returns `values(what it would)`."""
    calls = []

    def at_last(result):
        calls.append(result)
        return values(result) if len(calls) > LAST[field] else result

    if field == "activity":

        class Broken(own.Rota):
            def path(self, *arguments):
                return at_last(super().path(*arguments))

        return Broken
    kind = {"path_loss": own.two_ray, "shadowing": own.blocked, "pilot_assignment": own.in_turn}[field]
    return lambda *arguments: at_last(kind(*arguments))


LAST = dict.fromkeys(("path_loss", "shadowing", "pilot_assignment", "activity"), 5)
BAD = [
    ("path_loss", lambda x: x[0], r"path_loss=.* returned shape \(5,\) of type float64: must return gains in dB"),
    ("path_loss", lambda x: -x, "from a metre on at most 0: a path loss with the sign changed"),
    ("path_loss", lambda x: x * np.nan, "must return numbers"),
    ("path_loss", lambda x: None, r"returned shape \(\) of type object"),
    ("shadowing", lambda x: [[1.0], [1.0, 2.0]], "shadowing=.* returned no array"),
    ("shadowing", lambda x: x + np.inf, "returned NaN or infinity: must return finite numbers in dB"),
    ("pilot_assignment", lambda x: x + 1, "returned pilots from 1 to 3: must return integers from 0 to 2"),
    ("pilot_assignment", lambda x: x.astype(float), r"must return pilots of users: integers of shape \(5,\)"),
    ("activity", lambda x: x.astype(int), r"activity=Broken .* must return who is active .*: truth values of shape"),
    ("activity", lambda x: x & False, "returned a step at which nobody is active: must keep one user on"),
]


@pytest.mark.parametrize("seed", [11, None])
@pytest.mark.parametrize(("field", "values", "message"), BAD, ids=[f"{row[0]}-{i}" for i, row in enumerate(BAD)])
def test_a_reset_with_a_bad_part_changes_nothing(field, values, message, seed):
    """The episode goes on, and the next reset is what this one would have been."""
    kwargs = {"preset": "small", "receiver": "mr", "episode_length": 4, "pilots_from": "active"}
    part = broken(field, values)
    env = gym.make_vec(CELL_FREE, 3, **{field: part}, **kwargs)
    twin = gym.make_vec(CELL_FREE, 3, **{field: broken(field, lambda x: x)}, **kwargs)
    env.action_space.seed(0)
    same(env.reset(seed=3), twin.reset(seed=3))
    with pytest.raises(ValueError, match=message):
        env.reset(seed=seed)  # the third world is the first to be asked in vain
    for _ in range(2):
        actions = env.action_space.sample()
        same(env.step(actions), twin.step(actions))
    LAST[field] += 1000
    try:
        same(env.reset(seed=seed), twin.reset(seed=seed))
    finally:
        LAST[field] -= 1000


@pytest.mark.parametrize("env_id", OWN)
def test_a_receiver_that_raises_in_a_reset_changes_nothing(env_id):
    base = own.Matched if env_id == CELL_FREE else own.MatchedStations
    fails = []

    class Failing(base):
        def prepare(self, *arguments):
            super().prepare(*arguments)
            if fails and arguments[0] == fails[0]:
                raise OSError("the file server is away")

    env, twin = (gym.make_vec(env_id, 3, **{**OWN[env_id], "receiver": kind}) for kind in (Failing, base))
    env.action_space.seed(0)
    same(env.reset(seed=3), twin.reset(seed=3))
    fails.append(2)
    with pytest.raises(OSError, match="file server"):
        env.reset()
    fails.clear()
    for _ in range(2):
        actions = env.action_space.sample()
        same(env.step(actions), twin.step(actions))
    same(env.reset(), twin.reset())


RATES = [
    ("efficiencies_in", lambda x: x[0], "must return from efficiencies spectral efficiencies: numbers of shape"),
    ("efficiencies_in", lambda x: x - 1e3, "returned rates from -.* from efficiencies: must return finite numbers"),
    ("efficiencies", lambda x: x * np.nan, "returned rates from nan to nan from efficiencies"),
    ("efficiencies", lambda x: 1.0 + x, "returned other rates than from efficiencies_in from efficiencies"),
]


@pytest.mark.parametrize(("method", "values", "message"), RATES)
@pytest.mark.parametrize("env_id", OWN)
def test_a_step_with_bad_rates_changes_nothing(env_id, method, values, message):
    base = own.Matched if env_id == CELL_FREE else own.MatchedStations

    def asked(self, *arguments):
        powers = arguments[-1]
        found = getattr(base, method)(self, *arguments)
        powers[:] = 1e9  # a copy: nobody minds
        return values(found)

    env = gym.make(env_id, **{**OWN[env_id], "receiver": type("Broken", (base,), {method: asked})})
    first = env.reset(seed=0)[0]
    simulator = env.unwrapped.simulator
    before = simulator.powers, simulator.rates, simulator.steps.copy()
    with pytest.raises(ValueError, match=f"receiver=Broken .*{message}"):
        env.step(env.action_space.sample())
    assert (simulator.powers, simulator.rates) == before[:2] or (
        simulator.powers is before[0] and simulator.rates is before[1]
    )
    assert (simulator.steps == before[2]).all()
    np.testing.assert_array_equal(env.reset(seed=0)[0], first)


@pytest.mark.parametrize(
    ("solution", "message"),
    [
        ([1.0] * 5, "returned a list from max_min: must return a cfenvs.control.PowerSolution"),
        (PowerSolution(np.ones(3), 1.0, 1), r"from max_min powers in mW: numbers of shape \(5,\)"),
        (PowerSolution(-np.ones(5), 1.0, 1), "returned powers from -1 to -1 from max_min"),
    ],
)
def test_a_bad_solution_is_refused(solution, message):
    env = make(receiver=type("Mine", (own.Matched,), {"max_min": lambda self, world, active: solution}))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.unwrapped.optimum()


def careless(part):
    """The same, but it writes into what it is given."""

    def wiping(first, *more):
        found = part(first, *more)
        for array in (first.users, first.distance) if part is not own.in_turn else (first,):
            array[:] = 0.0
        return found

    return wiping


def test_arguments_are_copies():
    """Who writes into them harms nobody."""
    parts = {"path_loss": own.two_ray, "shadowing": own.blocked, "pilot_assignment": own.in_turn}
    wiping = {field: careless(part) for field, part in parts.items()}
    same(*(tuple(played(make(receiver="mr", **each))) for each in (parts, wiping)))


def test_what_has_a_name_is_listed_with_a_sentence(capsys):
    main([])
    said = capsys.readouterr().out
    for env_id in IDS:
        for word, named in system_of(env_id).catalogue.items():
            assert f"  {word} ({word}=...)" in said
            for name, what in named.items():
                assert f"    {name:18} {what.__doc__.splitlines()[0]}" in said
    words = set(system_of(CELL_FREE).catalogue)
    assert words == {"receiver", "path_loss", "shadowing", "pilot_assignment", "clusters", "activity", "objective"}
    assert set(system_of(XL_MIMO).catalogue) == {"receiver", "path_loss", "shadowing", "objective"}


def test_a_picture_shows_what_is_ones_own():
    pytest.importorskip("pygame")
    for env_id, kwargs in OWN.items():
        env = gym.make(env_id, render_mode="rgb_array", **kwargs)
        env.reset(seed=0)
        env.step(env.action_space.sample())
        assert env.render().std() > 0


def test_an_activity_must_start_where_it_is_told():
    class Deaf(Activity):
        def path(self, world, rng, initial):
            return np.ones((self.config.episode_length + 1, self.config.users), bool)

    env = make(activity=Deaf)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="activity=Deaf returned another first active set"):
        env.reset(options={"active": np.array([True, False, True, True, True])})
