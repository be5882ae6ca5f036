"""Derivatives of rates by powers: every receiver against differences, a complex step, and PyTorch's own check."""

import gymnasium as gym
import numpy as np
import pytest

from cfenvs.radio.mmse import MmseBatch

CELL_FREE, XL_MIMO = "CellFreeUplinkPower-v0", "XLMIMOPower-v0"
CASES = {
    "mmse": (CELL_FREE, {"preset": "small"}),
    "mmse, several antennas": (CELL_FREE, {"preset": "small", "antennas": 3, "users": 4}),
    "mmse, block fading": (CELL_FREE, {"preset": "small", "fading": "block", "users": 6}),
    "mr": (CELL_FREE, {"receiver": "mr", "lsfd": "optimal"}),
    "mr, pilots of the data's power": (CELL_FREE, {"receiver": "mr", "pilot_power": "data"}),
    "l-mmse": (CELL_FREE, {"preset": "small", "receiver": "l-mmse"}),
    "p-mmse, frozen": (CELL_FREE, {"preset": "small", "receiver": "p-mmse", "combiners": "full-power"}),
    "xl-mimo mr": (XL_MIMO, {}),
    "xl-mimo mr, pilots": (XL_MIMO, {"pilot_length": 18}),
    "xl-mimo mr-lsfd": (XL_MIMO, {"receiver": "mr-lsfd"}),
    "xl-mimo l-mmse": (XL_MIMO, {"receiver": "l-mmse"}),
    "xl-mimo mr-lsfd, pilots": (XL_MIMO, {"receiver": "mr-lsfd", "pilot_length": 18}),
    "xl-mimo l-mmse, pilots": (XL_MIMO, {"receiver": "l-mmse", "pilot_length": 18}),
    "xl-mimo near field": (XL_MIMO, {"preset": "near-field"}),
}


@pytest.fixture(params=CASES, scope="module")
def simulator(request):
    env_id, kwargs = CASES[request.param]
    env = gym.make_vec(env_id, 3, **kwargs)
    env.reset(seed=900_000)
    return env.simulator


def differences(rates, powers, step):
    """Central differences by each user's power, (E, K, K): [e, k, i] is d rate_k / d p_i."""
    found = []
    for i in range(powers.shape[1]):
        change = np.zeros_like(powers)
        change[:, i] = step * powers[:, i]
        # Richardson's: errors of order four.
        one, two = (
            (rates(powers + h * change) - rates(powers - h * change)) / (2 * h * change[:, i : i + 1]) for h in (1, 2)
        )
        found.append((4 * one - two) / 3)
    return np.stack(found, axis=2)


def test_gradients_are_those_of_differences(simulator):
    rng = np.random.default_rng(1)
    shape = simulator.powers.shape
    powers, weights = simulator.config.max_power * rng.uniform(0.1, 1.0, shape), rng.standard_normal(shape)
    jacobian = differences(simulator.rates_at, powers, 1e-3)
    found = simulator.rates_gradient(powers, weights)
    expected = (weights[:, :, None] * jacobian).sum(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("realizations", "access_points", "antennas", "users"), [(5, 4, 1, 3), (19, 7, 3, 5), (9, 40, 4, 6)]
)
def test_slopes_are_all_gradients_by_logarithms_of_powers(realizations, access_points, antennas, users):
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)

    root = normal(access_points, users, antennas, antennas)
    batch = MmseBatch.of(normal(realizations, access_points, antennas, users), root @ root.conj().swapaxes(-1, -2))
    p = 10 ** rng.uniform(-1, 1, users)
    rows = batch.gradient(np.tile(p, (users, 1)), np.eye(users), np.zeros(users, int)) * p
    np.testing.assert_allclose(batch.slopes(p), rows, rtol=1e-11, atol=1e-13)


def test_gradients_of_silent_users_are_one_sided(simulator):
    powers = np.full(simulator.powers.shape, 0.5 * simulator.config.max_power)
    powers[:, 0] = 0.0
    weights = np.ones_like(powers)
    found = simulator.rates_gradient(powers, weights)[:, 0]
    step = 1e-7 * simulator.config.max_power
    louder = powers.copy()
    louder[:, 0] = step
    sums = [simulator.rates_at(p).sum(axis=1) for p in (powers, louder)]
    np.testing.assert_allclose(found, (sums[1] - sums[0]) / step, rtol=1e-3, atol=1e-5 * np.abs(found).max())


def test_worlds_have_gradients_of_their_own(simulator):
    """The same bits, whatever happens in other worlds."""
    rng = np.random.default_rng(2)
    powers = simulator.config.max_power * rng.random(simulator.powers.shape)
    weights = rng.standard_normal(powers.shape)
    whole = simulator.rates_gradient(powers, weights)
    powers[1:], weights[1:] = 0.0, -1.0
    np.testing.assert_array_equal(simulator.rates_gradient(powers, weights)[0], whole[0])


def complex_step_rates(p, h_hat, C):
    """Mean of log2(1 + SINR) from linear systems, for complex powers too; a slow twin."""
    realizations, aps, antennas, users = h_hat.shape
    size = aps * antennas
    noise = np.eye(size, dtype=complex)
    for ap in range(aps):
        block = slice(ap * antennas, (ap + 1) * antennas)
        noise[block, block] += sum(p[i] * C[ap, i] for i in range(users))
    rates = np.zeros(users, complex)
    for r in range(realizations):
        H = h_hat[r].reshape(size, users)
        for k in range(users):
            others = noise + sum(p[i] * np.outer(H[:, i], H[:, i].conj()) for i in range(users) if i != k)
            rates[k] += np.log2(1 + p[k] * H[:, k].conj() @ np.linalg.solve(others, H[:, k])) / realizations
    return rates


@pytest.mark.parametrize("shape", [(5, 4, 1, 3), (6, 3, 2, 4), (3, 2, 9, 3), (2, 70, 2, 3)], ids=str)
def test_mmse_gradients_by_complex_steps(shape):
    """To all digits but three. Odd numbers of users, antennas beside the kernel's tiles, more than it whitens at once.

    Everything is made real: a complex step through conjugates would have no meaning.
    """
    rng = np.random.default_rng(3)
    aps, antennas, users = shape[1:]
    h_hat = rng.standard_normal(shape) * np.exp(rng.normal(-2, 1, (1, aps, 1, users))) + 0j
    root = 0.2 * rng.standard_normal((aps, users, antennas, antennas))
    C = root @ root.swapaxes(-1, -2) + 0j
    batch, powers = MmseBatch.of(h_hat, C), rng.uniform(1.0, 50.0, users)
    rows = np.tile(powers, (users, 1)), np.eye(users), np.zeros(users, np.int64)
    jacobian = batch.gradient(*rows)
    step = 1e-30
    for i in range(users):
        moved = powers + 1j * step * (np.arange(users) == i)
        expected = complex_step_rates(moved, h_hat, C).imag / step
        np.testing.assert_allclose(jacobian[:, i], expected, rtol=1e-10, atol=1e-13 * np.abs(expected).max())


def test_complex_channels_have_the_gradient_of_their_phases_turned():
    """Rates and gradients stay when an antenna's phase is turned, which makes complex channels of real ones."""
    rng = np.random.default_rng(4)
    h_hat = rng.standard_normal((3, 4, 2, 5)) + 0j
    root = 0.3 * rng.standard_normal((4, 5, 2, 2))
    C = root @ root.swapaxes(-1, -2) + 0j
    turn = np.exp(2j * np.pi * rng.random((4, 2)))
    turned = MmseBatch.of(h_hat * turn[..., None], turn[:, None, :, None] * C * turn.conj()[:, None, None, :])
    rows = np.array([[3.0, 0.5, 8.0, 1.0, 2.0]]), rng.standard_normal((1, 5)), np.zeros(1, np.int64)
    np.testing.assert_allclose(turned.gradient(*rows), MmseBatch.of(h_hat, C).gradient(*rows), rtol=1e-11)


def test_steps_of_cqi_have_no_gradient():
    env = gym.make_vec(CELL_FREE, 2, preset="small", utility="cqi")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="utility='cqi': steps of CQI have no derivative"):
        env.simulator.rates_gradient(env.simulator.powers, env.simulator.powers)


class TestTorch:
    """The same as a layer."""

    @pytest.fixture(autouse=True)
    def _torch(self):
        self.torch = pytest.importorskip("torch")
        from cfenvs.adapters.torch import rates

        self.rates = rates

    @pytest.mark.parametrize("env_id", [CELL_FREE, XL_MIMO])
    def test_gradcheck(self, env_id):
        env = gym.make_vec(env_id, 2, users=4)
        env.reset(seed=1)
        shares = self.torch.rand(2, 4, dtype=self.torch.float64, generator=self.torch.Generator().manual_seed(0))
        shares = (0.2 + 0.6 * shares).requires_grad_()
        assert self.torch.autograd.gradcheck(lambda x: self.rates(env, x), (shares,))

    @pytest.mark.parametrize("env_id", [CELL_FREE, XL_MIMO])
    def test_rates_are_those_of_the_step(self, env_id):
        env = gym.make(env_id, **({"action_type": "continuous"} if env_id == CELL_FREE else {"power_scale": "linear"}))
        env.reset(seed=1)
        shares = np.linspace(0.1, 1.0, env.unwrapped.config.users).astype(np.float32)
        layer = self.rates(env, self.torch.as_tensor(shares))
        np.testing.assert_allclose(layer.numpy(), env.step(shares)[4]["rates"], rtol=1e-6)
        assert layer.dtype is self.torch.float32

    def test_what_does_not_fit_is_refused(self):
        env = gym.make_vec(CELL_FREE, 2)
        ones = self.torch.ones(2, 10, requires_grad=True)
        with pytest.raises(ValueError, match="before the first reset"):
            self.rates(env, ones)
        env.reset(seed=0)
        with pytest.raises(ValueError, match=r"shape \(2, 9\): must be \(2, 10\)"):
            self.rates(env, ones[:, :9])
        with pytest.raises(ValueError, match=r"shares=-1\.0"):
            self.rates(env, -ones)
        with pytest.raises(TypeError, match="power control"):
            self.rates(gym.make("RISAuction-v0"), ones)
        total = self.rates(env, ones).sum()
        env.step(env.action_space.sample())
        with pytest.raises(RuntimeError, match="moved on"):
            total.backward()

    @pytest.mark.parametrize("kwargs", [{}, {"resample": "never"}, {"mobility": "random-waypoint"}], ids=str)
    def test_a_reset_is_another_situation_whatever_looks_the_same(self, kwargs):
        env = gym.make_vec(XL_MIMO, 1, **kwargs)
        shares = self.torch.ones(1, 6, requires_grad=True)
        for seed in range(20):  # memory of a network that is gone may hold the next one
            env.reset(seed=seed)
            total = self.rates(env, shares).sum()
            env.reset(seed=seed)
            with pytest.raises(RuntimeError, match="moved on"):
                total.backward()
