"""What the functions of the physics want, from the drop that an environment holds: shared by the tests of both."""

from dataclasses import fields

import numpy as np

from cfenvs.radio.path_loss import db_to_linear
from cfenvs.ris_auction.valuation import direction_products, pair_products


def leading(drop):
    """A drop with an axis of worlds, as `draw_scenarios` makes several."""
    return type(drop)(**{field.name: getattr(drop, field.name)[None] for field in fields(drop)})


def gram_of(config, drawn):
    """Products of all stations of an operator with each other, (n, O, S, B, B), from those of pairs."""
    products, stations = pair_products(config, drawn).swapaxes(2, 3), drawn.stations.shape[2]
    gram = np.full((*products.shape[:3], stations, stations), float(config.elements))
    one, other = np.triu_indices(stations, 1)
    gram[..., one, other] = gram[..., other, one] = products
    return gram


def cellular_network(config, drop, operator, auction=0):
    """What `macroscopic_rates` wants, for one operator of one world."""
    return {
        "beta_ub": drop.beta_ub[auction, operator],
        "beta_rb": drop.beta_rb[operator],
        "beta_ur": drop.beta_ur[auction, operator],
        "k_ub": drop.k_ub[auction, operator],
        "k_ur": drop.k_ur[auction, operator],
        "gram": gram_of(config, leading(drop))[0, operator],
        "elements": config.elements,
        "power": float(db_to_linear(config.power_dbm)),
        "noise": float(db_to_linear(config.noise_dbm)),
        "phase_efficiency": config.phase_efficiency,
    }


def joint_network(config, drop, operator, auction=0):
    """What `joint_coefficients` wants, for one operator of one world."""
    network = cellular_network(config, drop, operator, auction)
    del network["gram"]
    between, with_direct = direction_products(config, leading(drop))
    network["beta_ua"], network["beta_ra"] = network.pop("beta_ub"), network.pop("beta_rb")
    return network | {
        "k_ua": network.pop("k_ub"),
        "direct_products": with_direct[0, auction, operator],
        "surface_products": between[0, operator],
        "antennas": config.antennas,
    }
