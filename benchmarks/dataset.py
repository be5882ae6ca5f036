"""`python -m benchmarks dataset`: an algorithm's episodes as a Minari dataset, the optimum's actions beside."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import gymnasium as gym
import numpy as np

from benchmarks import algorithms
from benchmarks.cells import Cell, load_protocol
from cfenvs import __version__
from cfenvs.arrays import Array
from cfenvs.core.config import require
from cfenvs.evaluation import Protocol
from cfenvs.evaluation.evaluate import choices_of
from cfenvs.evaluation.protocol import VALIDATION
from cfenvs.registration import IDS, system_of


def main(
    algo: str,
    protocol: str = "cell-free-quick",
    dataset: str | None = None,
    library: str | None = None,
    seed: int = 0,
    episodes: int = 100,
    first_seed: int = 0,
    optimum: bool = False,
) -> None:
    """Write episodes of the central agent, one in each of so many networks for training, as a Minari dataset.

    Its environment can be made again from it; episode i is what comes of `reset(seed=first_seed + i)` and its actions.

    Args:
        algo: As for `run`; what has to be trained is trained first. "optimum" acts optimally itself.
        protocol: Whose environment; a name in benchmarks/protocols, or a TOML file.
        dataset: Minari's id; by default cfenvs/PROTOCOL/ALGORITHM-v0. It goes where MINARI_DATASETS_PATH says.
        library: What loads `algo` if it is a file, as for `run`.
        seed: Of the training.
        episodes: How many.
        first_seed: Of the networks; those from 900 000 on are for validation and evaluation, and refused.
        optimum: Adds to every info the value of the optimum, and its action in the situation that was observed.
    """
    try:
        name, given = load_protocol(protocol)
        cell = Cell(name=name, protocol=given, algorithm=algo, library=library, seed=seed)
        policy = algorithms.find(algo, given.env_id, library).make(given, seed)
        written = write(policy, given, dataset or f"cfenvs/{name}/{cell.key}-v0", episodes, first_seed, optimum)
    except ModuleNotFoundError as error:
        raise SystemExit(f"{error}: pip install 'minari[hdf5]'") from error
    except ValueError as error:
        raise SystemExit(str(error)) from error
    print(f"{written.total_episodes} episodes, {written.total_steps} steps: minari.load_dataset({written.id!r})")


def write(
    policy: Any, protocol: Protocol, dataset: str, episodes: int, first_seed: int = 0, optimum: bool = False
) -> Any:
    """The dataset, written where Minari keeps them.

    Parameters
    ----------
    policy : Policy or bidder
    protocol : Protocol
        Its environment; which networks it judges on does not matter.
    dataset : str
        Minari's id.
    episodes, first_seed, optimum
        As for `main`.

    Raises
    ------
    ValueError
        If networks are not for training, or Minari has a dataset of that id.
    """
    require(episodes >= 1, "episodes", episodes, "must be at least 1")
    allowed = f"{episodes} networks from there on must be for training: from 0 to {VALIDATION - 1}"
    require(0 <= first_seed <= VALIDATION - episodes, "first_seed", first_seed, allowed)
    require(not protocol.families, "families", list(protocol.families), "have observations of several shapes")
    import minari
    from minari.data_collector import EpisodeBuffer

    kwargs = {**protocol.env_kwargs, **_choices(policy, protocol)}
    buffers = [
        EpisodeBuffer(id=i, seed=first_seed + i, **episode)
        for i, episode in enumerate(_played(policy, protocol, kwargs, episodes, first_seed, optimum))
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it has no author and no link
        return minari.create_dataset_from_buffers(
            dataset,
            buffers,
            env=gym.make(protocol.env_id, **kwargs),
            algorithm_name=getattr(policy, "name", type(policy).__name__),
            description=f"{protocol.env_id}, networks of seeds {first_seed} to {first_seed + episodes - 1}",
            requirements=[f"cfenvs=={__version__}", f"gymnasium=={version('gymnasium')}"],
        )


def _choices(policy: Any, protocol: Protocol) -> dict[str, Any]:
    """What a policy sets for itself, but for the form of bids: a seat bids for each surface."""
    choices = choices_of(policy)
    if system_of(protocol.env_id).contest is not None:
        choices.pop("action_type", None)
    return choices


def _played(
    policy: Any, protocol: Protocol, kwargs: Mapping[str, Any], episodes: int, first_seed: int, optimum: bool
) -> Iterator[dict[str, Any]]:
    """Each episode as the arrays that Minari keeps: T actions, T + 1 observations and infos."""
    env = gym.make_vec(protocol.env_id, episodes, **kwargs)
    space, simulator = env.single_action_space, env.simulator  # type: ignore[attr-defined]
    contest = system_of(protocol.env_id).part("contest")
    seat = None if contest is None else env.config.seat  # type: ignore[attr-defined]
    observations, infos = env.reset(seed=first_seed)
    act = _central(policy, protocol, kwargs, env, first_seed) if seat is None else _seated(policy, contest, env, seat)
    rows: list[list[tuple[Any, ...]]] = [[] for _ in range(episodes)]
    running = np.ones(episodes, bool)
    told = _told(infos, simulator, running, seat, space, optimum)
    seen = [[observations[i]] for i in range(episodes)]
    known = [[one] for one in told]
    while running.any():
        actions = np.asarray(act(observations, infos)).astype(space.dtype)
        observations, rewards, terminated, truncated, infos = env.step(actions)
        told = _told(infos, simulator, running, seat, space, optimum)
        for i in np.flatnonzero(running):
            rows[i].append((actions[i], rewards[i], terminated[i], truncated[i]))
            seen[i].append(observations[i])
            known[i].append(told[i])
        running &= ~(terminated | truncated)
    for observed, row, infos_of_one in zip(seen, rows, known, strict=True):
        actions, rewards, terminated, truncated = map(np.array, zip(*row, strict=True))
        yield {
            "observations": np.array(observed),
            "actions": actions,
            "rewards": rewards,
            "terminations": terminated,
            "truncations": truncated,
            "infos": {name: np.array([one[name] for one in infos_of_one]) for name in infos_of_one[0]},
        }


def _told(
    infos: Mapping[str, Any], simulator: Any, running: Array, seat: int | None, space: Any, optimum: bool
) -> list[dict[str, Any]]:
    """What each world is told, with the optimum of its situation where it still runs."""
    names = [name for name in infos if not name.startswith("_")]
    told = [{name: infos[name][i] for name in names} for i in range(len(running))]
    for i in np.flatnonzero(running) if optimum else ():
        best = simulator.optimum(int(i))
        action = best.action if seat is None else best.action[seat]
        told[i] |= {"optimum_value": best.value, "optimum_action": np.asarray(action).astype(space.dtype)}
    return told


def _seated(policy: Any, contest: Any, env: Any, seat: int) -> Any:
    """A bidder in the seat of the central agent."""
    bidder = contest.player(policy)
    contest.sit(bidder, env.simulator, seat)
    return lambda observations, infos: bidder(
        observations, infos["action_mask"][..., 1].astype(bool), env.simulator.streams[seat]
    )


def _central(policy: Any, protocol: Protocol, kwargs: Mapping[str, Any], env: Any, first_seed: int) -> Any:
    """What a policy does as the central agent; one that acts for single agents does so in a twin of the environment."""
    if not getattr(policy, "agents", False):
        if hasattr(policy, "begin"):
            policy.begin(env)
        return policy.act
    twin = importlib.import_module(IDS[protocol.env_id][0]).parallel_vec_env(env.num_envs, **kwargs)
    current = twin.reset(seed=first_seed)
    if hasattr(policy, "begin"):
        policy.begin(twin)

    def act(observations: Array, infos: Any) -> Array:
        nonlocal current
        actions = np.asarray(policy.act(*current)).astype(twin.single_action_space.dtype)
        active = current[1]["active"]
        observed, _, _, _, told = twin.step(actions)
        current = observed, told
        return np.where(active, actions.reshape(active.shape), 0)  # what others send counts for a central agent

    return act
