"""A bidder of your own against those that need no training, on 100 networks."""

import numpy as np

from cfenvs.ris_auction import play

SURFACES = 20


def patient(observations, masks, rng):
    """Bids for the five best surfaces only, while they cost less than half of what they are worth."""
    values, price = 0.75 * observations[:, :SURFACES], observations[:, SURFACES, None]
    best = np.argsort(np.argsort(-values, axis=1), axis=1) < 5
    return masks & best & (price < 0.5 * values)


for rival in ("greedy", "straightforward"):
    outcomes = play([patient, rival], 100)
    mine, others = outcomes.reward.mean(axis=0)
    print(f"against {rival}: {mine:.3f}, it earns {others:.3f}; {outcomes.unsold.mean():.1f} surfaces unsold")
