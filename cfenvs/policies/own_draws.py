"""Max-min control by own draws: channels simulated from what the network knows, corrected by what users report.

The CPU knows gains, spatial correlations and pilots, but not the channels behind the rates. It draws channels of its
own and computes in them which rates any powers would bring; where a user reports another SINR than that, its own is
scaled until they agree. What remains is a max-min fixed point, that of `cfenvs.control.rate_feedback`, of which several
rounds are computed between two steps instead of being tried out one by one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cfenvs.arrays import Array, Bool, Float, Int
from cfenvs.cell_free.receivers import make_receiver
from cfenvs.control import rate_feedback
from cfenvs.policies.classical import PowerPolicy
from cfenvs.policies.heard import Listener
from cfenvs.policies.posterior import Posterior
from cfenvs.power.reports import rounding_db
from cfenvs.radio import prelog
from cfenvs.radio.path_loss import db_to_linear, linear_to_db

LEAST_SINR = 1e-6
"""Below it, -60 dB, a reported SINR says no more than that nothing was heard."""


class OwnDraws(PowerPolicy):
    """Max-min powers of a simulated network, whose SINRs are corrected by each user's last report.

    A correction is kept while its user is away, and forgotten with the network. Where every step has channels of its
    own, or reports have errors, it is the mean of all that were reported, in dB, with one report of 0 dB before them.
    Of rounded reports only that is corrected which is more than their rounding. With `posterior` a correction is what
    is to be expected by all reports, with their rounding and errors (`cfenvs.policies.posterior`). Where users walk,
    the draws go through the gains and pilots of now. Receivers that know statistics only need no draws: their model is
    exact but for Monte Carlo, and so is what this finds.

    Parameters
    ----------
    draws : int
        Channel realisations that are simulated in every network.
    rounds : int
        Of the fixed point between two steps.
    heeds_reports : bool
        With False nothing is corrected: what can be done by statistics alone.
    posterior : bool
        Whether corrections are means of posteriors: for reports that are rounded or have errors.
    """

    information = "central"

    def __init__(self, draws: int, rounds: int, heeds_reports: bool = True, posterior: bool = False) -> None:
        self.draws, self.rounds, self.heeds_reports = draws, rounds, heeds_reports
        how = "" if heeds_reports else " without reports"
        self.name = f"own draws{', posterior' if posterior else how} ({draws} x {rounds})"
        self._believes = posterior

    def begin(self, env: Any) -> None:
        """Make the model, a receiver of the same kind; networks are drawn for it when they are met."""
        super().begin(env)
        config = env.config
        self._prelog = prelog(config.pilot_length, config.coherence_length)
        own = replace(config, realizations=self.draws, fading="average", utility="shannon")
        self._model = make_receiver(own, env.num_envs)
        self._rng, self._walking = np.random.default_rng(0), config.mobility != "static"
        shape = (env.num_envs, config.users)
        self._before = np.zeros(shape, bool)
        self._powers = np.zeros(shape)
        self._correction = np.ones(shape)
        self._reports = np.zeros(shape, np.int64)
        self._listener = Listener(config, env.num_envs)
        # What is learned of one step is not what holds in the next.
        self._averages = config.fading != "average" or config.report_noise_db > 0
        self._posterior = Posterior(config, self.draws, env.num_envs) if self._believes else None

    @property
    def corrections(self) -> Float:
        """What each user's SINR is multiplied by, (E, K), by what was reported."""
        return self._correction

    @property
    def told(self) -> tuple[Bool, Float, Float]:
        """Who has reported since the last step, what SINR, and what that of the draws had been then, (E, K) each."""
        return self._told

    @property
    def deviations(self) -> Float:
        """Standard deviations of their logarithms by the posteriors, in dB, (E, K)."""
        if self._posterior is None:
            raise ValueError(f"{self.name}: without posterior=True nothing says how sure a correction is")
        return self._posterior.deviation

    @property
    def reports(self) -> Int:
        """How many have told it so, (E, K)."""
        return self._reports

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Heed the reports, then find the powers for those who are active now."""
        active = self.active(observations)
        if self.heeds_reports:
            self._correct(infos)
        self._meet(active)
        full = self._config.max_power
        powers = np.where(active, np.where(self._powers > 0, self._powers, full), 0.0)
        for _ in range(self.rounds):
            sinr = np.expm1(np.log(2.0) * self._model.efficiencies(powers)) * self._correction
            powers = rate_feedback(powers, np.log2(1.0 + sinr), full, active)
        self._before, self._powers = active, powers
        return powers / full

    def _correct(self, infos: dict[str, Array]) -> None:
        """Scale the SINR of each user that has sent, none after a reset, to what it newly reports."""
        sent = self._before & (infos["powers"] > 0)
        model = np.expm1(np.log(2.0) * self._model.efficiencies(infos["powers"]))
        heard = self._listener.hear(infos, np.where(sent, model, 0.0))
        told = heard.new & (heard.noted > 0)
        reported = np.maximum(np.expm1(np.log(2.0) * heard.rates / self._prelog), LEAST_SINR)
        self._told = told, reported, np.maximum(heard.noted, LEAST_SINR)
        self._reports += told
        if self._posterior is not None:
            self._posterior.hear(*self._told)
            self._correction = db_to_linear(self._posterior.mean)
            return
        step = np.where(told, reported / np.maximum(heard.noted * self._correction, LEAST_SINR), 1.0)
        weight = 1.0 / (1.0 + self._reports) if self._averages else 1.0
        self._correction *= self._beyond_rounding(step, reported) ** weight

    def _beyond_rounding(self, step: Float, reported: Float) -> Float:
        """What a step is more than the rounding of the report may be; all of it where nothing is rounded."""
        config = self._config
        if config.report_bits in (None, "cqi"):
            return step
        below, above = rounding_db(config, linear_to_db(reported))
        step_db = linear_to_db(step)
        return db_to_linear(np.maximum(step_db - below, 0.0) + np.minimum(step_db + above, 0.0))

    def _meet(self, active: Bool) -> None:
        """Draw channels for new networks, and follow users that walk, or that alone send pilots when others do."""
        by_activity = self._config.pilots_from == "active"
        new = self.new_networks()
        self._correction[new], self._reports[new], self._powers[new], self._before[new] = 1.0, 0, 0.0, False
        if self._posterior is not None:
            self._posterior.forget(new)
        all_sending = active if by_activity else np.ones_like(active)
        for world, scenario in enumerate(self._env.scenarios):
            sending = all_sending[world]
            if new[world]:
                self._model.prepare(world, scenario, self._rng, sending)
            elif by_activity and not self._walking and (active[world] != self._before[world]).any():
                self._model.set_pilots(world, scenario, sending)
        if self._walking and not new.all():
            worlds = np.flatnonzero(~new)
            self._model.walk_on_all(worlds, self._env.simulator.situations(worlds), all_sending[worlds])
