"""The published auction of one network in plain floating point: a slow twin, written from what its code does.

It is told what surfaces are worth. Its fault that ours leaves out is an option: where a bidder wins something while of
what it still bids for only surface 0 is left, that one is lost to it (the code asks whether any *number* of such
surfaces is not zero).
"""

import numpy as np

PENALTY = 7.5
SCALE = 0.75
"""2.5 and .25 times log10 of the number of elements, 1000."""


def greedy(values, price, left):
    """Bids for what is worth more than the price, the best first, as many as the floor of budget over price."""
    wanted = [s for s in np.argsort(-values, kind="stable") if values[s] > price]
    number = len(wanted) if price == 0 else int(np.floor(left / price))
    return set(wanted[:number])


def play(worth, surfaces, fault=False):
    """One auction of two greedy bidders with a budget of 1.

    Parameters
    ----------
    worth : callable
        worth(o, owned) is U of a set and what each further surface would add to it, for operator o.
    surfaces : int
    fault : bool

    Returns
    -------
    list of round's bids, rewards, costs, sets that are owned
    """
    both = range(2)
    owned, left, cost, reward = [set(), set()], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]
    utility = [0.0, 0.0]
    seen = [np.clip(worth(o, owned[o])[1], 0.0, SCALE) for o in both]
    price, free, history = 0.0, set(range(surfaces)), []
    while any(price <= left[o] and (seen[o] > 0).any() for o in both):
        bids = [greedy(seen[o], price, left[o]) for o in both]
        history.append(bids)
        won = [bids[o] - bids[1 - o] for o in both]
        free -= won[0] | won[1]
        for o in both:
            keeps = free & bids[o]
            if won[o]:
                owned[o] |= won[o]
                before, paid = utility[o], len(won[o]) * price
                utility[o], further = worth(o, owned[o])
                beyond = 0.0 if paid <= left[o] else len(won[o]) - np.floor(left[o] / price)
                reward[o] += utility[o] - before - paid - (PENALTY - 1.0) * beyond * price
                left[o] = max(left[o] - paid, 0.0)
                cost[o] += paid
                seen[o] = np.clip(further, 0.0, SCALE)
                if fault and keeps == {0}:
                    keeps = set()
            seen[o] = np.where(np.isin(np.arange(surfaces), list(keeps)), seen[o], 0.0)
        price += 0.05
    return history, reward, cost, owned
