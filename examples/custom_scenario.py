"""Networks of your own: access points on the lamp posts of a street, users in a crowd that stands somewhere in it."""

import gymnasium as gym
import numpy as np

import cfenvs  # noqa: F401  (registers the environments)


def street(config, rng):
    """Positions in metres; what is not given (here shadowing, pilots and channels) is drawn as always."""
    posts = np.linspace(0, 800, config.access_points)
    crowd = rng.uniform(0, 700) + rng.uniform(0, 100, config.users)
    return {
        "access_points": np.column_stack([posts, np.full(config.access_points, 500.0)]),
        "users": np.column_stack([crowd, rng.uniform(490, 510, config.users)]),
    }


for name, network in (("uniform users, access points on a grid", None), ("crowd in a street", street)):
    kwargs = {"preset": "small", "side": 1600.0, "pilot_length": 3}  # three pilots for five users: some share theirs
    envs = gym.make_vec("CellFreeUplinkPower-v0", 32, network=network, **kwargs)
    envs.reset(seed=1, options={"active": np.ones(5, bool)})
    best = np.mean([optimum.discrete.value for optimum in envs.optimum()])
    _, full, *_ = envs.step(np.full((32, 5), 4))
    print(f"{name}: full power guarantees {full.mean():.2f} bit/s/Hz, the best levels {best:.2f}")
