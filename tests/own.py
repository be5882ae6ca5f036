"""Parts of the power-control systems as a stranger would write them: no file of ours names them."""

import numpy as np

from cfenvs.cell_free.activity import Activity
from cfenvs.cell_free.receivers import Receiver
from cfenvs.power.propagation import PathLoss
from cfenvs.xl_mimo import receivers


def matched(gains, scale, p):
    """log2(1 + SINR) of matched filters that know all channels, powers (B, K)."""
    direct = scale * gains.sum(axis=0)
    across = gains.T @ gains / gains.sum(axis=0)[:, None]
    return np.log2(1.0 + p * direct / (p @ across.T + 1.0))


class Matched(Receiver):
    """Matched filters; users without a pilot are not heard, and an array gain is drawn with the network."""

    offers = ("pilots_from",)

    def __init__(self, config, num_worlds, largest=4.0):
        super().__init__(config, num_worlds)
        self.largest = largest
        self.gains, self.scale = [None] * num_worlds, np.ones((num_worlds, config.users))
        self.heard = np.ones((num_worlds, config.users), bool)

    def prepare(self, world, scenario, rng, sending):
        self.scale[world] = rng.uniform(1.0, self.largest, self.config.users)
        self.gains[world] = scenario.gains.copy()
        self.set_pilots(world, scenario, sending)
        scenario.gains[:] = 0.0  # a copy: nobody minds

    def set_pilots(self, world, scenario, sending):
        self.heard[world] = sending

    def efficiencies_in(self, world, powers):
        return matched(self.gains[world], self.scale[world] * self.heard[world], powers)


class MatchedStations(receivers.Receiver):
    """The same for XL-MIMO."""

    def __init__(self, config, num_worlds):
        super().__init__(config, num_worlds)
        self.gains = np.ones((num_worlds, config.base_stations, config.users))

    def follow(self, gains, worlds):
        self.gains[worlds] = gains[worlds]

    def efficiencies_in(self, world, powers):
        return matched(self.gains[world], float(self.config.bs_antennas), powers)


def two_ray(links, config):
    """Plane earth."""
    return 20.0 * np.log10(1.5 * config.height) - 40.0 * np.log10(links.distance)


class Street(PathLoss):
    """Free space, with shadowing beyond 300 m only; at 2 GHz."""

    @classmethod
    def check(cls, config):
        if config.carrier_ghz != 2.0:
            raise ValueError(f"carrier_ghz={config.carrier_ghz}: Street is measured at 2 GHz")

    def __call__(self, links, config):
        return -38.5 - 20.0 * np.log10(links.distance)

    def shadowed(self, links):
        return links.horizontal > 300.0


def blocked(links, config, rng):
    """A wall before one link in five."""
    return np.where(rng.random(links.distance.shape) < 0.2, -20.0, 0.0)


def in_turn(gains, config, rng):
    """By a random order."""
    return rng.permutation(gains.shape[1]) % config.pilot_length


class Rota(Activity):
    """All but one are active; who rests is somebody else at every step, and from another start in every episode."""

    def __init__(self, config, num_worlds):
        super().__init__(config, num_worlds)
        self.episodes = np.zeros(num_worlds, int)

    def start(self, world, rng):
        self.episodes[world] = rng.integers(100)

    def path(self, world, rng, initial):
        self.episodes[world] += 1
        resting = (self.episodes[world] + np.arange(self.config.episode_length + 1)) % self.config.users
        path = np.arange(self.config.users) != resting[:, None]
        if initial is not None:
            path[0] = initial
        return path


def strongest(gains, pilots, config):
    """Each user's three best access points."""
    return gains >= np.sort(gains, axis=0)[-3]


class Coin:
    """A path loss: behind a house or not, and houses are 30 m wide."""

    decorrelation = 30.0

    def __call__(self, links, config):
        return np.where(links.chance < 0.25, -60.0, -100.0) - 0.0 * links.distance
