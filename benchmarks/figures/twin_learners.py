"""The learners of `figures digital-twin`: a course through a twin, then through the real network, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from baselines import ddqn_per, fper, graph_feedback
from baselines.common.cell_free import ENV_ID, active_users, guaranteed_rate, start
from baselines.common.on_the_spot import Algorithm
from baselines.common.streams import Streams
from baselines.common.ways import way_of
from benchmarks.learners import SPOT
from cfenvs.arrays import Bool, Float, Float32, Int
from cfenvs.evaluation.protocol import HELD_OUT
from cfenvs.policies.classical import FullPower, RateFeedbackWithMemory
from cfenvs.policies.own_draws import OwnDraws
from cfenvs.power.levels import db_levels
from cfenvs.radio import prelog

GRAPH = "graph policy"
BRANCHES: dict[str, Any] = {"decompose": True, "max_joint_actions": 1, "hidden": (64, 64)}
SPOT_LEARNERS: dict[str, tuple[Any, type[Algorithm], dict[str, Any], dict[str, Any]]] = {
    "SARL": (ddqn_per.Args, ddqn_per.SARL, {"observation": "rates"}, BRANCHES),
    "SARL, gains": (ddqn_per.Args, ddqn_per.SARL, {"observation": "rates+gains"}, BRANCHES),
    "FPer": (fper.Args, fper.FPer, {"observation": "rates"}, {}),
    "FPer, gains": (fper.Args, fper.FPer, {"observation": "rates+gains"}, {}),
}
"""Arguments, algorithm, what it observes, settings."""
PROBE, TRUST = 10, 0.2
"""The safe variant: the rule plays one of so many steps; weight of the newest step in running means."""


@dataclass(frozen=True)
class Course:
    """How long all learn, and where."""

    networks: int = 10
    twin_episodes: int = 40
    real_episodes: int = 24
    users: int = 5
    early: int = 5
    """Episodes that count as the beginning."""
    length: int = 50
    first: int = HELD_OUT
    """Settings were chosen on networks from 900,000 on."""

    @property
    def name(self) -> str:
        """For files."""
        return f"{self.networks}-{self.twin_episodes}-{self.real_episodes}"

    @property
    def judged(self) -> tuple[int, ...]:
        """After how many real episodes greedy play is judged."""
        every = max(self.real_episodes // 8, 1)
        return tuple(range(0, self.real_episodes + 1, every))

    @property
    def drops(self) -> tuple[int, ...]:
        """Networks."""
        return tuple(self.first + i for i in range(self.networks))

    def kwargs(self, path: str) -> dict[str, Any]:
        """The environment, on a map."""
        return {
            "network": path,
            "access_points": 9,
            "users": self.users,
            "pilot_length": 3,
            "mobility": "map",
            "speed": 1.5,
            "pilot_period": 10,
            "activity": "markov",
            "receiver": "mr",
            "levels": db_levels(6, 5.0),
            "include_zero": False,
        }


@dataclass
class Record:
    """Shares of the best in greedy play (J, E), and the guaranteed rate of every step while learning (T, 50, E)."""

    greedy: Float
    played: Float


def worlds(path: str, course: Course, seed: int, drops: tuple[int, ...], **choices: Any) -> tuple[Any, Any]:
    """A central environment of these networks, and the arguments by which `start` begins it."""
    args = ddqn_per.Args(drops=drops, seeds=(seed,), preset="default", env_kwargs={**course.kwargs(path), **choices})
    return gym.make_vec(ENV_ID, len(drops), **args.kwargs()), args


class Real:
    """The real networks: what is best in every step that is learned in or judged, and what classical rules have."""

    def __init__(self, course: Course, path: str, folder: Path) -> None:
        self.course, self.path = course, path
        kept = folder / f"{course.name}-real.npz"
        if not kept.exists():
            rows = {"full power": FullPower(), "rate feedback with memory": RateFeedbackWithMemory(3)}
            found = {name: self._played(policy, 0, course.real_episodes) for name, policy in rows.items()}
            found["own draws (20 x 2)"] = self._played(OwnDraws(20, 2), 0, course.real_episodes)
            best, judged = self._best(0, course.real_episodes), self._best(1, 1)
            np.savez_compressed(kept, best=best, judged=judged, **found)  # type: ignore[arg-type]
        with np.load(kept) as arrays:
            parts = dict(arrays)
        self.best: Float = parts.pop("best")
        self.judged: Float = parts.pop("judged")[0]
        self.classical: dict[str, Float] = parts
        self.rule: Float = parts["rate feedback with memory"]

    def _each(self, env: Any, args: Any, episodes: int, act: Callable[[Any, Any], Any]) -> Float:
        """What `act` earns, or says, in every step, (T, 50, E)."""
        observations, infos = start(env, args)
        found = np.zeros((episodes, self.course.length, env.num_envs))
        for episode in range(episodes):
            if episode:
                observations, infos = env.reset()
            for step in range(self.course.length):
                active = active_users(observations, infos)
                observations, _, _, _, infos = env.step(act(observations, infos))
                found[episode, step] = guaranteed_rate(infos, active)
        return found

    def _played(self, policy: Any, seed: int, episodes: int) -> Float:
        env, args = worlds(self.path, self.course, seed, self.course.drops, action_type="continuous")
        begun = False

        def act(observations: Any, infos: Any) -> Any:
            nonlocal begun
            if not begun or (infos["powers"] == 0).all():  # an episode begins
                policy.begin(env.unwrapped)
                begun = True
            return policy.act(observations, infos)

        return self._each(env, args, episodes, act)

    def _best(self, seed: int, episodes: int) -> Float:
        env, args = worlds(self.path, self.course, seed, self.course.drops, action_type="continuous")
        return self._each(env, args, episodes, lambda *_: np.array([found.action for found in env.optimum()]))


def _greedy(real: Real, algorithm: Algorithm, choices: dict[str, Any], rule: _Rule | None = None) -> Float:
    """Share of the best on the walk that is judged, (E,); with a rule that takes over, as it knows by then where."""
    env, args = _env(type(algorithm), real.path, real.course, 1, choices)
    here = None if rule is None else rule.elsewhere(env)
    observations, infos = start(env, args)
    total = np.zeros(env.num_envs)
    for step in range(real.course.length):
        active, levels = active_users(observations, infos), algorithm.act(observations)
        if here is not None:
            levels = here.instead(levels, observations, infos, step)
        observations, _, _, _, infos = env.step(levels)
        worst = guaranteed_rate(infos, active)
        if here is not None:
            here.hear(worst)
        total += worst
    return total / real.judged.sum(axis=0)


def _env(kind: type[Algorithm], path: str, course: Course, seed: int, choices: dict[str, Any]) -> tuple[Any, Any]:
    args = kind.arguments(
        drops=course.drops, seeds=(seed,), preset="default", env_kwargs={**course.kwargs(path), **choices}
    )
    return kind.worlds(args), args


def spot_course(learner: str, course: Course, real: Real, twin: str | None, safe: bool = False) -> Record:
    """SARL or FPer: in a twin, if there is one, then in the real networks, all of them together."""
    arguments, kind, choices, settings = SPOT_LEARNERS[learner]
    torch.set_num_threads(1)
    early = {"exploration_episodes": course.twin_episodes // 2 + 1, "warm_up": 50, "train_every": 4}
    args = arguments(**{**SPOT, **settings, **early}, drops=course.drops, seeds=(0,))
    before = None
    if twin is not None:
        env, where = _env(kind, twin, course, 2, choices)
        before = kind(args, env, _full_power(env, where))
        _learn(before, env, where, course.twin_episodes, args, None)
        args = replace(args, start_explorers=0.3)  # it knows something already
    env, where = _env(kind, real.path, course, 0, choices)
    algorithm = kind(args, env, _full_power(env, where))
    if before is not None:
        mine: Any = algorithm.learner
        theirs: Any = before.learner
        for name in ("nets", "target"):
            getattr(mine, name).load_state_dict(getattr(theirs, name).state_dict())
        mine.scale = theirs.scale  # what values are shares of
    rule = _Rule(env) if safe else None
    greedy: list[Float] = []
    played = _learn(
        algorithm, env, where, course.real_episodes, args, rule,
        lambda episodes: greedy.append(_greedy(real, algorithm, choices, rule)) if episodes in course.judged else None,
    )  # fmt: skip
    return Record(np.array(greedy), played)


def _full_power(env: Any, args: Any) -> Float:
    """Guaranteed rate of the first step, (E,): what rewards are measured by."""
    observations, infos = start(env, args)
    active = active_users(observations, infos)
    levels = active * env.action_space.high
    return np.maximum(guaranteed_rate(env.step(levels)[4], active), 1e-3)


def _learn(
    algorithm: Algorithm, env: Any, where: Any, episodes: int, args: Any, rule: _Rule | None,
    after: Callable[[int], None] = lambda _: None,
) -> Float:  # fmt: skip
    """Explore, keep, learn; the guaranteed rate of every step, (T, 50, E). `rule` takes over where it is better."""
    steps, streams = env.config.episode_length, Streams(where.worlds, purpose=3)
    observations, infos = start(env, where)
    played = np.zeros((episodes, steps, env.num_envs))
    after(0)
    for episode in range(episodes):
        algorithm.before_episode(episode, active_users(observations, infos))
        for step in range(steps):
            now = episode * steps + step
            active, seen = active_users(observations, infos), observations
            levels = algorithm.explore(seen, now / steps, streams)
            if rule is not None:
                levels = rule.instead(levels, seen, infos, step)
            observations, rewards, _, _, infos = env.step(levels)
            algorithm.remember(active, seen, levels, rewards, observations)
            if now >= args.warm_up and now % args.train_every == 0:
                algorithm.learner.learn(now / (episodes * steps))
            played[episode, step] = guaranteed_rate(infos, active)
            if rule is not None:
                rule.hear(played[episode, step])
        algorithm.after_episode(episode + 1, active)
        after(episode + 1)
        observations, infos = env.reset()
    return played


class _Rule:
    """Falls back to rate feedback, rounded to levels, in worlds where the worst user is reported to fare better by it.

    Parameters
    ----------
    env : vector environment
        Of the central agent.

    Attributes
    ----------
    means, known : (2, E) arrays
        Running means of what was reported under the learner and under the rule, and whether anything was.
    """

    def __init__(self, env: Any) -> None:
        self._env, self._levels = env, np.log(np.array(env.config.action_levels) / env.config.max_power)
        self._policy = RateFeedbackWithMemory(3)
        self.means = np.zeros((2, env.num_envs))
        self.known = np.zeros((2, env.num_envs), bool)
        self._ruled = np.zeros(env.num_envs, bool)

    def elsewhere(self, env: Any) -> _Rule:
        """Another one, for the same networks on another walk, that knows what this one has heard."""
        other = _Rule(env)
        other.means[:], other.known[:] = self.means, self.known
        return other

    def instead(self, levels: Int, observations: Float32, infos: dict[str, Any], step: int) -> Int:
        """The learner's levels (E, K), or those of the rule."""
        if step == 0:
            self._policy.begin(self._env.unwrapped)
        shares = np.log(np.maximum(self._policy.act(observations, infos), 1e-12))
        rounded = np.abs(shares[..., None] - self._levels).argmin(axis=-1)
        better = self.known.all(axis=0) & (self.means[1] > self.means[0])
        self._ruled = np.where(step % PROBE == 0, True, np.where(step % PROBE == PROBE // 2, False, better))
        return np.where(self._ruled[:, None], rounded, levels)

    def hear(self, worst: Float) -> None:
        """The reported rate of the worst user, (E,)."""
        row = self._ruled.astype(int), np.arange(len(worst))
        new = ~self.known[row]
        self.means[row] = np.where(new, worst, (1.0 - TRUST) * self.means[row] + TRUST * worst)
        self.known[row] = True


def graph_course(course: Course, real: Real, twin: str | None) -> Record:
    """The graph policy: by gradient in a twin, if there is one, then model-free in the real network; seed by seed."""
    torch.set_num_threads(1)
    each = [_graph_in(course, real, twin, network) for network in range(course.networks)]
    return Record(np.stack([greedy for greedy, _ in each], axis=-1), np.stack([played for _, played in each], axis=-1))


def _graph_in(course: Course, real: Real, twin: str | None, network: int) -> tuple[Float, Float]:
    # It learns where users come or go, two hundred times in all: fewer situations in an update than where it has many.
    few: dict[str, Any] = {"batch_size": 32, "critic_warm_up": 60, "noise": 0.3, "learning_rate": 1e-3}
    args = graph_feedback.Args(train="model-free", seed=network, num_envs=1, **few)
    corrector = graph_feedback.Corrector(args)
    if twin is not None:
        own = {name: value for name, value in course.kwargs(twin).items() if name not in ("levels", "include_zero")}
        short = graph_feedback.Args(
            env_kwargs=own, num_envs=8, episodes=max(course.twin_episodes // 4, 1), seed=network, validation_networks=1,
            validate_every=1000,
        )  # fmt: skip
        corrector.network.load_state_dict(graph_feedback.train(short, False).corrector.network.state_dict())
    drops = course.drops[network : network + 1]
    env, where = worlds(real.path, course, 0, drops, action_type="continuous")
    corrector.prelog = prelog(env.config.pilot_length, env.config.coherence_length)
    shapes = {
        "nodes": (course.users, args.nodes),
        "edges": (course.users, course.users, graph_feedback.EDGE),
    }
    way = way_of(args, corrector, shapes)
    policy, best = graph_feedback.GraphFeedback(corrector, args), real.judged[:, network].sum()
    greedy, played = [_graph_greedy(corrector, args, real, drops) / best], []
    observations, infos = start(env, where)
    for episode in range(course.real_episodes):
        policy.begin(env.unwrapped)
        way.begin(env)
        rates = []
        for step in range(course.length):
            position = (episode + step / course.length) / course.real_episodes
            active: Bool = active_users(observations, infos)
            shares, changed = policy.see(observations, infos)
            if changed.size:
                shares[changed] = np.exp(way.play(policy.situation(changed), changed, shares, position))
            observations, _, _, _, infos = env.step(shares)
            way.hear(infos["rates"], position)
            rates.append(float(guaranteed_rate(infos, active)[0]))
        played.append(rates)
        if episode + 1 in course.judged:
            greedy.append(_graph_greedy(corrector, args, real, drops) / best)
        observations, infos = env.reset()
    return np.array(greedy), np.array(played)


def _graph_greedy(corrector: Any, args: Any, real: Real, drops: tuple[int, ...]) -> float:
    env, where = worlds(real.path, real.course, 1, drops, action_type="continuous")
    policy, total = graph_feedback.GraphFeedback(corrector, args), 0.0
    observations, infos = start(env, where)
    policy.begin(env.unwrapped)
    for _ in range(real.course.length):
        active = active_users(observations, infos)
        observations, _, _, _, infos = env.step(policy.act(observations, infos))
        total += float(guaranteed_rate(infos, active)[0])
    return total
