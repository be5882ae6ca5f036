"""Two algorithms for cell-free networks in a package of their own: a rule, and one that learns a single number."""

from dataclasses import replace

import numpy as np

from cfenvs.evaluation import evaluate

TRAINING_NETWORKS = 16
CONTINUOUS = {"action_type": "continuous"}  # what a protocol leaves open, and these choose


class HalfPower:
    """Every active user at half its power."""

    name = "half power"
    information = "decentralised"
    choices = CONTINUOUS

    def begin(self, env):
        """See how many users there are."""
        self.users = env.config.users

    def act(self, observations, infos):
        """Shares of full power, (E, K)."""
        return 0.5 * (observations[:, : self.users] > 0.5)  # an observation starts with who is active


class GainPower:
    """The weaker its total gain, the more power a user takes; the weakest active one takes all."""

    name = "learned exponent"
    information = "decentralised"
    choices = CONTINUOUS

    def __init__(self, exponent):
        self.exponent = exponent

    def begin(self, env):
        """Take the gains (K,) of every network."""
        self.gains = np.array([scenario.gains.sum(axis=0) for scenario in env.scenarios])

    def act(self, observations, infos):
        """Shares of full power, (E, K)."""
        shares = self.gains**self.exponent * (observations[:, : self.gains.shape[1]] > 0.5)
        return shares / np.maximum(shares.max(axis=1, keepdims=True), 1e-300)


def train(protocol, seed):
    """Draw exponents, and keep the one that earns most on networks of this training seed."""
    # Scenario seeds far below those that are held out, and others for every training seed.
    first = seed * TRAINING_NETWORKS
    networks = replace(protocol, first_scenario=first, num_scenarios=TRAINING_NETWORKS, traced=0)
    episode = TRAINING_NETWORKS * networks.make(worlds=1).config.episode_length
    rng = np.random.default_rng(seed)
    best, most, steps, values = 0.0, -np.inf, [], []
    for trial in range(max(protocol.training_steps // episode, 1)):
        exponent = rng.uniform(-1.5, 0.0)
        reward = evaluate(GainPower(exponent), networks).reward.mean()
        if reward > most:
            best, most = exponent, reward
        steps.append((trial + 1) * episode)
        values.append(float(most))
    policy = GainPower(best)
    policy.training_steps = steps[-1]
    policy.learning_curve = {"metric": "best reward so far", "steps": steps, "values": values}
    return policy
