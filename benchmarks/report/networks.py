"""What the held-out networks look like, and what each user gets there: stored actions are played again."""

from __future__ import annotations

import base64
import copy
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from benchmarks.boards import Board
from benchmarks.cells import load_protocol
from cfenvs.arrays import Array, Float
from cfenvs.evaluation import Protocol, Result, Row, read_traces
from cfenvs.evaluation.verify import code_named_by
from cfenvs.registration import IDS, system_of

NETWORKS = 10
"""Of a protocol, the first ones, whose users are counted."""
POINTS = 201
"""Of a distribution function."""


@dataclass(frozen=True)
class Networks:
    """What the users of a board's rows get, and how a network looks.

    Attributes
    ----------
    unit : str
        What is counted of each user, with its unit; "" if nothing is.
    served : mapping
        By algorithm, `POINTS` quantiles over users, networks and steps.
    count : int
        Networks.
    picture, shows : str
        A PNG image of the first network as a "data:" address, "" without one; and when that is.
    """

    unit: str = ""
    served: Mapping[str, Float] = field(default_factory=dict)
    count: int = 0
    picture: str = ""
    shows: str = ""


def networks_of(board: Board, folders: Sequence[Path], allowed: Collection[str] = ()) -> Networks:
    """Play the first networks of a board again, row for row, with the actions of each row's first training seed.

    Of families those of the first one.
    Code that a result names is run only if our protocol of that name names it too, or its module is allowed.
    """
    if not folders or board.protocol.env_id not in IDS or not board.rows:
        return Networks()
    system, trusted = system_of(board.protocol.env_id), _trusted(board.name)
    served, unit, picture, shows, count = dict[str, Float](), "", "", "", 0
    begun: dict[str, Any] = {}
    for row in board.rows:
        family, result = next(iter(row.results[0].parts().items()))
        actions = _actions(board, row, folders, family or "actions")
        if code_named_by(result, trusted, allowed):
            continue
        if row is board.reference and not picture:  # of contests, whose seats are many, the start is all that is shown
            picture, shows = _picture(system, _begun(result)), "before its first step"
        if result.protocol.rivals or actions is None:
            continue
        try:
            env, got, unit = _played(result, actions, begun)
        except ValueError:  # actions of another version, or of nobody
            continue
        count = max(count, env.num_envs)
        if got.size:
            served[row.algorithm] = np.quantile(got, np.linspace(0.0, 1.0, POINTS))
        if row is board.reference:
            picture, shows = _picture(system, env), f"at the end of its episode under {board.called(row)}"
    return Networks(unit, served, count, picture, shows)


def _begun(result: Result) -> Any:
    env = result.protocol.make(result.choices, worlds=1)
    env.reset(seed=result.protocol.first_scenario)
    return env


def _trusted(name: str) -> Protocol | None:
    try:
        return load_protocol(name)[1]
    except ValueError:
        return None


def _actions(board: Board, row: Row, folders: Sequence[Path], trace: str) -> Array | None:
    """What it did in the first networks, (T, n, ...)."""
    for folder in folders:
        path = folder / board.name / row.algorithm / f"{row.results[0].seed}.json"
        if path.exists():
            try:
                actions = read_traces(path).get(trace)
            except ValueError:
                return None
            fits = actions is not None and actions.ndim > 1 and actions.shape[1] > 0
            return actions[:, :NETWORKS] if actions is not None and fits else None
    return None


def _played(result: Result, actions: Array, begun: dict[str, Any]) -> tuple[Any, Float, str]:
    """Play with a copy of the networks as an episode begins in them, which rows share that see and do them alike."""
    asked = repr((result.choices, result.agents, actions.shape[1]))
    if asked not in begun:
        begun[asked] = result.protocol.make(result.choices, result.agents, actions.shape[1])
        begun[asked].reset(seed=result.protocol.first_scenario)
    env, served = copy.deepcopy(begun[asked]), system_of(result.protocol.env_id).served
    got, unit = [], ""
    for action in actions:
        env.step(action)
        if served is not None:
            unit, values = served(env.simulator)
            got.append(values)
    return env, np.concatenate(got) if got else np.zeros(0), unit


def _picture(system: Any, env: Any) -> str:
    """The first world as it is drawn; nothing where what draws it is not installed."""
    from matplotlib.image import imsave

    try:
        frame = system.part("renderer")(env.simulator).frame(0)
    except (ImportError, gym.error.DependencyNotInstalled):
        return ""
    buffer = io.BytesIO()
    imsave(buffer, frame, format="png", metadata={"Software": ""})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
