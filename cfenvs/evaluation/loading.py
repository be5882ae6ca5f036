"""Algorithms by name: classical controllers, other people's classes and training functions, saved models.

Code of a stranger is run only when it is named: a "module:Name" reference, a file that is given together with the
library that loads it, or the name of an entry point that an installed package has put into the group
"cfenvs.algorithms". What a benchmark has kept of a training names its loader itself, and only ours is believed: see
`cfenvs.evaluation.kept`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from cfenvs.arrays import Array
from cfenvs.core.config import require
from cfenvs.core.errors import check_keys
from cfenvs.evaluation import kept
from cfenvs.evaluation.protocol import Protocol

ENTRY_POINTS = "cfenvs.algorithms"
"""Group of entry points by which an installed package offers algorithms."""
STATISTICS = "_vecnormalize.pkl"
"""Ending of the file beside `model.zip` that holds what Stable-Baselines3's `VecNormalize` has learned."""


@dataclass(frozen=True, kw_only=True)
class Algorithm:
    """What a benchmark needs to run an algorithm.

    Attributes
    ----------
    name : str
        In files and on command lines.
    make : callable
        `make(protocol, seed, folder=None, progress=True)` trains, if there is anything to train, and returns a policy.
        `folder` is for checkpoints and logs.
    trained : bool
        Whether there is: what is not trained runs with one seed.
    """

    name: str
    make: Callable[..., Any]
    trained: bool

    @classmethod
    def untrained(cls, name: str, make: Callable[[], Any]) -> Algorithm:
        """One that needs no training, from what makes the policy."""
        return cls(name=name, make=lambda protocol, seed, **_: make(), trained=False)


def load_algorithm(reference: str, library: str | None = None) -> Algorithm:
    """An algorithm of someone else's.

    Parameters
    ----------
    reference : str
        * "module:Name" of a class with `act` (see `cfenvs.evaluation.Policy`), which is made without arguments, or of
          such an object;
        * "module:name" of a training function `train(protocol, seed)` that returns a policy with its `training_steps`;
          it is also given `folder` and `progress` if it has arguments of these names;
        * the name of an entry point in the group "cfenvs.algorithms" that is one of these;
        * any of these with arguments, as in "module:train(hidden=64, rates=[0.1, 1])": plain values by name;
        * a file with a saved model, together with `library`; what a benchmark has kept needs none.
    library : str, optional
        What loads the file: "stable_baselines3:PPO" or another class with `load(path, device)`, whose outcome has
        `predict`, or is a policy with `act` or a bidder; or "tianshou" for a policy or an algorithm saved whole by
        `torch.save`. Both may run code from the file: name only files that you trust. Beside a `model.zip` of
        Stable-Baselines3 that was trained behind `VecNormalize`, its statistics must lie as
        `model_vecnormalize.pkl`, a pickle, which may run code too.

    Raises
    ------
    ValueError
        If there is no such thing, or it is none of these.
    """
    if library is not None or kept.is_kept(reference):
        path = Path(reference)
        require(path.is_file(), "file", reference, "does not exist")
        return Algorithm(
            name=path.stem, make=lambda protocol, seed, **_: _saved(path, library, protocol), trained=False
        )
    named, arguments = called_with(reference)
    if ":" in named:
        module, _, name = named.partition(":")
        return _algorithm(reference, _attribute(module, name), arguments)
    offered = offered_algorithms()
    require(
        named in offered,
        "algorithm",
        reference,
        f'installed packages offer {sorted(offered)}; others are named as "module:Name", saved models with `library`',
    )
    return _algorithm(reference, _attribute(offered[named].module, offered[named].attr), arguments)


def called_with(reference: str) -> tuple[str, dict[str, Any]]:
    """What a reference names, and the arguments that it gives.

    Examples
    --------
    >>> called_with("module:train(hidden=64, lr=1e-3)"), called_with("module:train")
    (('module:train', {'hidden': 64, 'lr': 0.001}), ('module:train', {}))

    Raises
    ------
    ValueError
        If what is in the parentheses are no plain values by name.
    """
    if not reference.endswith(")"):
        return reference, {}
    named, _, inside = reference.partition("(")
    try:
        call = ast.parse(f"_({inside}", mode="eval").body
        assert isinstance(call, ast.Call)
        assert not call.args
        return named, {str(word.arg): ast.literal_eval(word.value) for word in call.keywords if word.arg or 1 / 0}
    except (SyntaxError, ValueError, AssertionError, ZeroDivisionError):
        raise ValueError(
            f"algorithm={reference!r}: arguments must be plain values by name, as in {named}(hidden=64, lr=1e-3)"
        ) from None


def offered_algorithms() -> Mapping[str, EntryPoint]:
    """The entry points of installed packages in the group "cfenvs.algorithms", by name; none is loaded."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def load_policy(reference: str, library: str | None = None) -> Any:
    """A policy of someone else's that needs no training; arguments as of `load_algorithm`."""
    algorithm = load_algorithm(reference, library)
    require(not algorithm.trained, "policy", reference, "must be a class with `act`, not a training function")
    return algorithm.make(None, 0)


def _algorithm(name: str, found: Any, arguments: Mapping[str, Any]) -> Algorithm:
    """An algorithm from what a reference names: a class, a function, a `functools.partial` or a callable object."""
    if hasattr(found, "act") and not isinstance(found, type):
        require(not arguments, "algorithm", name, "is an object, which takes no arguments: name its class")
        return Algorithm.untrained(name, lambda: found)
    require(callable(found), "algorithm", name, "must be a class with `act` or a training function")
    _check_arguments(name, found, arguments)
    # What `partial` is given by name stays a parameter that has a default.
    parameters = inspect.signature(found).parameters
    trains = {"protocol", "seed"} <= parameters.keys()
    needed = [word for word, one in parameters.items() if one.default is one.empty and one.kind not in _MANY]
    if not trains and not set(needed) - arguments.keys():
        return Algorithm.untrained(name, partial(found, **arguments))
    of_its_own = found.func if isinstance(found, partial) else found
    called = getattr(of_its_own, "__name__", type(of_its_own).__name__)
    acts = hasattr(found, "act")
    allowed = f"must be train(protocol, seed), not {called}{inspect.signature(found)}"
    require(trains or acts, "algorithm", name, allowed)
    unfilled = sorted(
        set(needed) - ({"protocol", "seed", "folder", "progress"} if trains else set()) - arguments.keys()
    )
    require(not unfilled, "algorithm", name, f"needs values of {', '.join(unfilled)}: give them in parentheses")

    def make(protocol: Protocol, seed: int, folder: Path | None = None, progress: bool = True) -> Any:
        extra = {"folder": folder, "progress": progress}
        given = {key: extra[key] for key in extra.keys() & parameters.keys()} | dict(arguments)
        policy = found(protocol=protocol, seed=seed, **given)
        acts = hasattr(policy, "act") or callable(policy)  # a bidder is a callable
        require(acts, "policy", policy, f"what {name} returns must have `act(observations, infos)`")
        steps = getattr(policy, "training_steps", 0)
        # What has none would count as a classical row, which needs no seeds to be ranked.
        allowed = f"set it in what {name} returns: environment steps learned from, an int above 0"
        require(type(steps) is int and steps > 0, "training_steps", steps, allowed)
        return policy

    return Algorithm(name=name, make=make, trained=True)


_MANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _check_arguments(name: str, found: Any, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that it does not take, before anything is trained."""
    parameters = inspect.signature(found).parameters
    taken = [word for word, one in parameters.items() if one.kind not in _MANY and word not in ("protocol", "seed")]
    if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        check_keys(arguments, taken, f"argument of {name.partition('(')[0]}:")


def _attribute(module: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"'{module}:{name}' cannot be loaded: {error}") from error


def _saved(path: Path, library: str | None, protocol: Protocol | None) -> Any:
    """What a file holds, as a policy; what a benchmark has kept knows what the result beside it says."""
    if kept.is_kept(path):
        return kept.told(path, _loaded(path, library or kept.library_of(path), None), protocol)
    assert library is not None
    return _loaded(path, library, protocol)


def _loaded(path: Path, library: str, protocol: Protocol | None) -> Any:
    module, _, name = library.partition(":")
    loader = _attribute(module, name) if name else None
    known = library == "tianshou" or hasattr(loader, "load")
    require(known, "library", library, 'must be "tianshou" or a class like "stable_baselines3:PPO"')
    try:
        model = _unpickled(path) if loader is None else loader.load(path, device="cpu")
    except Exception as error:  # whatever a library raises on a file of another
        raise ValueError(f"{path} cannot be loaded by {library}: {type(error).__name__}: {error}") from error
    if hasattr(model, "act"):
        # What has no steps would count as a classical row, which needs no seeds to be ranked.
        model.training_steps = max(int(getattr(model, "training_steps", 0)), 1)
        return model
    if callable(model) and loader is not None and not hasattr(model, "predict"):  # a bidder
        return model
    if loader is None:
        policy: _SavedPolicy = TianshouPolicy(path, model)
    else:
        require(hasattr(model, "predict"), "file", str(path), f"what {library} loads must have `predict` or `act`")
        policy = SB3Policy(path, model, _statistics(path, model))
    if protocol is not None:
        policy.choices = {key: value for key, value in policy.choices.items() if key in protocol.choices}
    return policy


def saved_files(path: Path) -> list[Path]:
    """The file of a saved model, and that of its statistics if there is one: what decides how it acts."""
    beside = path.with_name(f"{path.stem}{STATISTICS}")
    return [path, beside] if beside.is_file() else [path]


def _statistics(path: Path, model: Any) -> Any:
    """The `VecNormalize` that lies beside a model; None where it was trained without."""
    _, *beside = saved_files(path)
    if not beside:
        allowed = (
            "was trained behind VecNormalize, whose statistics are not in it: save them beside it by "
            f'venv.save("{path.stem}{STATISTICS}")'
        )
        require(not _normalised(model), "file", str(path), allowed)
        return None
    from stable_baselines3.common.vec_env import VecNormalize

    try:
        found = pickle.loads(beside[0].read_bytes())
    except Exception as error:  # a pickle raises whatever its code does
        raise ValueError(f"{beside[0]} cannot be loaded: {type(error).__name__}: {error}") from error
    fits = isinstance(found, VecNormalize) and _kind(found.observation_space) == _kind(model.observation_space)
    require(fits, "file", str(beside[0]), f"must hold the VecNormalize that {path.name} was trained behind")
    return found


def _normalised(model: Any) -> bool:
    """Whether a model tells that it has seen normalised observations.

    Stable-Baselines3 keeps the raw ones of a `VecNormalize` in `_last_original_obs`, with algorithms of a replay buffer
    also without one: those tell only by last observations that no environment of theirs makes.
    """
    raw, last = (getattr(model, name, None) for name in ("_last_original_obs", "_last_obs"))
    if raw is None or last is None or not hasattr(model, "learning_starts"):
        return raw is not None
    space = model.observation_space
    return isinstance(space, gym.spaces.Box) and bool(((last < space.low) | (last > space.high)).any())


def _unpickled(path: Path) -> Any:
    import torch

    return torch.load(path, map_location="cpu", weights_only=False)


class _SavedPolicy:
    """A saved model, acting on what the central agent observes.

    It chooses the `action_type` that it was trained with. What else a protocol leaves open stays at its default: a
    model trained with other choices needs a policy of its own that has them.
    """

    information = "central"

    def __init__(self, name: str, action_space: Any, observation_space: Any, training_steps: int) -> None:
        self.name, self.training_steps = name, training_steps
        self._spaces = observation_space, action_space
        action_type = _ACTION_TYPES.get(type(action_space).__name__)
        self.choices = {} if action_type is None else {"action_type": action_type}

    def begin(self, env: Any) -> None:
        """Check that it was trained on observations and actions of this kind."""
        given_here = env.single_observation_space, env.single_action_space
        for what, trained, given in zip(("observations", "actions"), self._spaces, given_here, strict=True):
            if trained is not None and _kind(trained) != _kind(given):
                raise ValueError(
                    f"{self.name} was trained with {what} in {trained}, and here they are in {given}: choose the "
                    "protocol whose environment it was trained in"
                )


_ACTION_TYPES = {"Box": "continuous", "Discrete": "joint"}
"""By action spaces that not every system has at its defaults."""


def _kind(space: Any) -> tuple[Any, ...]:
    """What two spaces must share; bounds and types of numbers may differ."""
    sizes = getattr(space, "nvec", getattr(space, "n", None))
    return type(space).__name__, space.shape, np.asarray(sizes).tolist()


class SB3Policy(_SavedPolicy):
    """A model saved by Stable-Baselines3, acting greedily; behind the statistics of `VecNormalize` if there are any."""

    def __init__(self, path: Path, model: Any, statistics: Any = None) -> None:
        self.model, self.statistics = model, statistics
        name = f"{path.stem} ({type(model).__name__})"
        steps = max(int(getattr(model, "num_timesteps", 0)), 1)
        super().__init__(name, getattr(model, "action_space", None), getattr(model, "observation_space", None), steps)

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """The most probable actions."""
        if self.statistics is not None:
            observations = self.statistics.normalize_obs(observations)
        return np.asarray(self.model.predict(observations, deterministic=True)[0])


class TianshouPolicy(_SavedPolicy):
    """A policy or an algorithm of tianshou saved whole by `torch.save`, acting greedily.

    tianshou does not count what it was trained with. Set `training_steps` on what is saved, and it is shown.
    """

    def __init__(self, path: Path, saved: Any) -> None:
        self.policy = getattr(saved, "policy", saved)
        require(
            hasattr(self.policy, "map_action"),
            "file",
            str(path),
            f"must hold a tianshou policy or algorithm, saved whole by torch.save, not a {type(saved).__name__}",
        )
        self.policy.eval()
        steps = getattr(saved, "training_steps", getattr(self.policy, "training_steps", 1))  # learned: at least one
        super().__init__(path.stem, self.policy.action_space, self.policy.observation_space, int(steps))

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Its actions in evaluation mode."""
        import torch
        from tianshou.data import Batch

        try:
            with torch.no_grad():
                chosen = self.policy(Batch(obs=observations, info=Batch())).act
        except RuntimeError as error:  # most policies keep no observation space that `begin` could look at
            raise ValueError(
                f"{self.name} cannot act on observations of shape {observations.shape[1:]}: {error}; choose the "
                "protocol whose environment it was trained in"
            ) from error
        return np.asarray(self.policy.map_action(np.asarray(chosen)))
