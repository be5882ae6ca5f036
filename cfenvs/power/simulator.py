"""E worlds in which users set powers and earn rates: what their simulators share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from operator import call
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.control import Optimum
from cfenvs.core.config import require
from cfenvs.core.crew import Crew
from cfenvs.core.drops import Beginning, Drops, Given
from cfenvs.core.kept import KeptDrops
from cfenvs.core.sharing import duplicate
from cfenvs.core.simulator import BLOCK, Scenario, Simulator, blocks, zeroed
from cfenvs.power.actions import PowerActions
from cfenvs.power.choices import whole_or_not_at_all
from cfenvs.power.config import PowerConfig
from cfenvs.power.given import GivenParts
from cfenvs.power.objectives import IN_KERNELS, Objective, objective_of, outage
from cfenvs.power.reports import Reports, are_true
from cfenvs.radio.draws import held

Config = TypeVar("Config", bound=PowerConfig)
OF_USER = 10.0
"""Multiplications and additions that take as long as what is done in a step for a user beside its rate: roughly."""
MAX_OPTIMA = 256
"""Optima that a world keeps, one for each active set it has met in its network; then the oldest goes."""
PART = BLOCK // 2
"""Numbers in the arrays of a thread from which on it gains more time than is lost by waiting for Python's lock."""


class Start(NamedTuple, Generic[Scenario]):
    """Worlds in which episodes begin together.

    Attributes
    ----------
    worlds : (n,) int array
    rngs : n generators
        What all is drawn from that is not the network.
    seeded : (n,) bool array
        As `reset` is told.
    new : (m,) int array
        Which of the n have a new network.
    drops : m generators
        What these were drawn from.
    drawn : Scenario or None
        The new networks, with a leading axis m.
    """

    worlds: Int
    rngs: Sequence[np.random.Generator]
    seeded: Bool
    new: Int
    drops: Sequence[np.random.Generator]
    drawn: Scenario | None


class PowerSimulator(Simulator[Float, Scenario, Optimum], Generic[Config, Scenario]):
    """E worlds of a system of power control. Its commands are powers in mW, (E, K).

    A system says in `draw` what a network is and in `begin` what else begins with an episode, in `step` what rates
    powers bring, in `find_optimum` what is best.

    Parameters
    ----------
    config : Config
    num_worlds : int
    actions : PowerActions
    scale : float
        Rate of a SINR of 1 in bit/s/Hz, for reports in dB.

    Attributes
    ----------
    objective : Objective
    actions : PowerActions
        What actions stand for.
    active : (E, K) bool array
        Users that take part in the current situation; replaced where it changes.
    powers, rates : (E, K) arrays
        Of the last step, in mW and bit/s/Hz; zero after a reset.
    objective_values, outages, optimum_values, optimum_certified : (E,) arrays
        Of the last step; the share of active users below `outage_rate` where the configuration has one, what could be
        and whether it is proven with `info_optimum` only.
    steps : (E,) int array
        Steps since the reset; with `resample="continue"` since the network is there.
    ends : (E,) int array
        The step at which the episode ends.
    live_on : bool
        Whether networks outlive episodes.
    given : GivenParts
        What of networks is not drawn.
    reports : Reports or None
        What is reported of the rates; None where they are.
    moves : int
        Steps and resets so far, of any world: situations of different numbers are different ones.
    slopes : (E, K) array
        Of the last step, in bit/s/Hz per mW: what each rate gains as `sensitivity_of` sends more; zero if that is None.
    """

    receiver: Any
    of_step: ClassVar[tuple[str, ...]] = ("powers", "rates", "objective_values", "outages", "optimum_values", "slopes")
    """Arrays that tell of the last step, and are zero after a reset."""
    reset_numbers: int = 0
    """How many of a world kernels work out at a reset, so that threads share it; zero where NumPy does most."""

    def __init__(self, config: Config, num_worlds: int, actions: PowerActions, scale: float) -> None:
        self.config, self.num_worlds, self.actions = config, num_worlds, actions
        shape = (num_worlds, config.users)
        self.objective: Objective = objective_of(config)
        self._in_kernel = IN_KERNELS.get(type(self.objective))
        self.outage_rate = config.outage_rate
        self.scenarios: KeptDrops[Scenario] = KeptDrops(num_worlds)
        self.active: Bool = np.ones(shape, bool)
        self.powers, self.rates = np.zeros(shape), np.zeros(shape)
        self.objective_values, self.optimum_values = np.zeros(num_worlds), np.zeros(num_worlds)
        self.optimum_certified, self.outages = np.zeros(num_worlds, bool), np.zeros(num_worlds)
        self.steps, self.ends = np.zeros(num_worlds, np.int64), np.full(num_worlds, config.episode_length)
        self.reports = None if are_true(config) else Reports(config, num_worlds, config.users, scale)
        self._no_ages = np.zeros(shape, np.int64)
        self._sensitivity_of: int | None = None
        self.slopes = np.zeros(shape)
        self.moves = 0
        self.terminated, self.truncated = np.zeros(num_worlds, bool), np.zeros(num_worlds, bool)
        self.given = GivenParts(config)
        self.live_on = config.resample == "continue"
        self.drops = Drops(num_worlds, config.scenario_seed, config.resample, self.given)
        self._optima: dict[int, dict[bytes, Optimum]] = {}

    def join(self, crew: Crew) -> None:
        super().join(crew)
        self.run = self.receiver.run = crew.runner(self.num_worlds * (self.receiver.work + OF_USER * self.config.users))

    def reset(
        self, worlds: Int, generators: Sequence[np.random.Generator], seeded: Bool, options: Mapping[str, Any]
    ) -> None:
        if self.live_on:
            on = self.scenarios.begun[worlds] & ~seeded
            if on.any():
                self._go_on(worlds[on], options)
                generators = [generators[i] for i in np.flatnonzero(~on).tolist()]
                worlds, seeded = worlds[~on], seeded[~on]
            if not worlds.size:
                return
        with whole_or_not_at_all(self, generators):
            beginnings = self.drops.begin(worlds, generators, seeded)
            with held([beginning.rng for beginning in beginnings]) as rngs:
                starts = self._starts(worlds, beginnings, rngs, seeded)  # before anything changes: drawing may raise
                for start in starts:
                    if start.drawn is not None:
                        self.scenarios.put(start.worlds[start.new], start.drawn)
                self.begin(worlds, starts, options)
        self._clear(worlds)

    def _go_on(self, worlds: Int, options: Mapping[str, Any]) -> None:
        """Another episode begins where the last one ended."""
        if options:
            given = ", ".join(options)
            raise ValueError(
                f'options {given}: must be left out where a network lives on (resample="continue"); with a seed '
                "another begins"
            )
        self.moves += 1
        self.ends[worlds] = self.steps[worlds] + self.config.episode_length
        self.truncated[worlds] = False

    def hold_finished(self) -> Callable[[], None] | None:
        """What undoes what the next step does to worlds whose episodes are over, for networks that `live_on`.

        Such a step is one that an autoreset takes instead of a reset.
        """
        if not self.truncated.any():
            return None
        worlds = np.flatnonzero(self.truncated)
        before = {name: getattr(self, name)[worlds] for name in self.of_step}
        reported = None if self.reports is None else self.reports.of(worlds)

        def undo() -> None:
            for name, rows in before.items():
                getattr(self, name)[worlds] = rows
            if self.reports is not None and reported is not None:
                self.reports.put(worlds, reported)

        return undo

    def _starts(
        self, worlds: Int, beginnings: Sequence[Beginning], generators: Sequence[np.random.Generator], seeded: Bool
    ) -> list[Start[Scenario]]:
        """The worlds in blocks that go through each stage of a reset together."""

        def start(block: slice) -> Start[Scenario]:
            some = beginnings[block]
            new = [i for i, beginning in enumerate(some) if beginning.drop is not None]
            rngs: Sequence[np.random.Generator] = generators[block]
            drops: Sequence[Any] = rngs
            if any(beginning.drop is not beginning.rng for beginning in some):
                rngs, drops = list(rngs), [some[i].drop for i in new]
            drawn = self.draw(drops, [some[i].given for i in new]) if new else None
            return Start(worlds[block], rngs, seeded[block], np.array(new, np.int64), drops, drawn)

        config, threads = self.config, self.threads_of_reset(len(worlds))
        ranges = list(blocks(len(worlds), config.stations * config.users, threads))
        return self.crew.map(start, ranges) if threads > 1 else [start(block) for block in ranges]

    def threads_of_reset(self, worlds: int) -> int:
        """Among how many threads it pays to share so many networks from the first draw on."""
        threads = min(self.crew.threads, worlds * self.reset_numbers // PART)
        # Somebody's code is not run by several threads at once.
        return 1 if threads < 2 or self.config.own_classes or self.config.own_functions else threads

    @abstractmethod
    def draw(self, drops: Sequence[np.random.Generator], given: Sequence[Given]) -> Scenario:
        """Networks, each from its own generator, with a leading axis; nothing of the simulator changes."""

    @abstractmethod
    def begin(self, worlds: Int, starts: Sequence[Start[Scenario]], options: Mapping[str, Any]) -> None:
        """Whatever begins with an episode in these worlds, which have their networks."""

    def _clear(self, worlds: Int) -> None:
        """Nothing has been sent or earned in these worlds."""
        self.moves += 1
        self.steps[worlds] = 0
        self.ends[worlds] = self.config.episode_length
        for name in self.of_step:
            setattr(self, name, zeroed(getattr(self, name), worlds))
        self.terminated[worlds] = False
        self.truncated[worlds] = False
        self.drops.done(worlds)

    def scenario(self, world: int) -> Scenario:
        """The network of a world, which must have one."""
        scenario = self.scenarios[world]
        assert scenario is not None
        return scenario

    def judge(self, spent: Float) -> None:
        """What the rates just earned are worth when so much was sent (E, K), and with `info_optimum` what could be."""
        self.moves += 1
        if self.reports is not None:
            self.reports.take(self.rates, self.active, self.steps)
        if self._in_kernel is None:
            self.objective_values = self.objective(self.rates, self.active, spent)
        else:
            self.objective_values = self._in_kernel(self.rates, self.active, self.run)
        if self.outage_rate is not None:
            self.outages = outage(self.rates, self.active, self.outage_rate)
        if self.config.info_optimum:
            best = [self.optimum(world) for world in range(self.num_worlds)]
            self.optimum_values = np.array([optimum.value for optimum in best])
            self.optimum_certified = np.array([optimum.certified for optimum in best])
        if self._sensitivity_of is not None:
            self.slopes = self._slopes_of(self._sensitivity_of)

    def copied(self, values: Float) -> Float:
        """A copy of values (E, K), each part by the thread that has made it."""
        if self.run is call:
            return values.copy()
        out = np.empty(values.shape)
        self.run(duplicate, values, out)
        return out

    @property
    def sensitivity_of(self) -> int | None:
        """The user of whom `slopes` tell from the next step on, and pictures: whose rate falls if it sends more.

        None, as at first, costs nothing. It can be set after the first reset, where rates have derivatives.

        Examples
        --------
        >>> import cfenvs, gymnasium as gym
        >>> env = gym.make_vec("XLMIMOPower-v0", 2)
        >>> observations, infos = env.reset(seed=0)
        >>> env.simulator.sensitivity_of = 3
        >>> outcome = env.step(env.action_space.sample())
        >>> bool((env.simulator.slopes[:, 3] > 0).all())  # its own rates rise
        True
        """
        return self._sensitivity_of

    @sensitivity_of.setter
    def sensitivity_of(self, user: int | None) -> None:
        if user is not None:
            users = self.config.users
            is_user = isinstance(user, (int, np.integer)) and not isinstance(user, bool) and 0 <= user < users
            require(is_user, "sensitivity_of", user, f"must be None, or a user from 0 to {users - 1}")
            if not self.scenarios.begun.all():
                raise ValueError("sensitivity_of can be set after the first reset() of every world")
            self._slopes_of(user)  # refused here if rates have no derivatives, not in the middle of a step
            user = int(user)
        self._sensitivity_of = user
        self.slopes = np.full_like(self.slopes, 0.0 if user is None else np.nan)

    def _slopes_of(self, user: int) -> Float:
        """Slopes d rate_k / d p_user at the powers of the last step, (E, K): a gradient for each k."""
        weights = np.zeros((self.config.users, *self.powers.shape))
        weights[np.arange(self.config.users), :, np.arange(self.config.users)] = 1.0
        return np.stack([self.rates_gradient(self.powers, weight)[:, user] for weight in weights], axis=1)

    @property
    def reported(self) -> Float:
        """What is reported of the rates, (E, K) in bit/s/Hz: what is observed in their place."""
        return self.rates if self.reports is None else self.reports.rates

    @property
    def report_ages(self) -> Int:
        """How many steps before the last one the step was that `reported` tells of, (E, K)."""
        return self._no_ages if self.reports is None else self.reports.ages

    def optimum(self, world: int) -> Optimum:
        """The best in a world's current situation, exact or saying that it is not; kept until `forget`."""
        if self.scenarios[world] is None:
            raise ValueError("there is no situation to optimise before the first reset()")
        kept = self._optima.setdefault(world, {})
        key = self.active[world].tobytes()
        if key not in kept:
            if len(kept) >= MAX_OPTIMA:
                del kept[next(iter(kept))]
            kept[key] = self.find_optimum(world).played(self.actions.kind, self.actions.leading_to)
        return kept[key]

    @abstractmethod
    def find_optimum(self, world: int) -> Optimum:
        """Look for the best in a world's current situation, as powers."""

    @abstractmethod
    def rates_at(self, powers: Float) -> Float:
        """Rates of the active users at any powers in mW, (E, K), in the current situation; nothing is stepped."""

    @abstractmethod
    def rates_gradient(self, powers: Float, cotangents: Float) -> Float:
        """sum_k y_k d rate_k / d p_i of `rates_at`; powers in mW and weights y (E, K) -> (E, K)."""

    def forget(self, world: int | None = None) -> None:
        """What was best in a world, or in all, is no longer: more than who is active has changed."""
        if world is None:
            self._optima.clear()
        else:
            self._optima.pop(world, None)


Sim = TypeVar("Sim", bound=PowerSimulator[Any, Any])
