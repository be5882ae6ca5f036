"""What a benchmark keeps of a training: the policy, as a file beside its result.

A policy is kept if it has `save(path)`, and either its class has `load(path)` or it says by `library` what loads such
a file. Beside `PROTOCOL/ALGORITHM/SEED.json` it is `PROTOCOL/ALGORITHM/SEED.model`; what loads it stands in the
provenance of the result.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cfenvs.core.config import require
from cfenvs.core.files import whole_file
from cfenvs.evaluation.protocol import Protocol
from cfenvs.evaluation.result import read_result

SUFFIX = ".model"
LIBRARY = "library"
"""In the provenance of a result: what loads the policy that is kept beside it."""
OURS = ("baselines.", "stable_baselines3:")
"""How libraries begin that are loaded because a result names them; others must be named by whoever loads."""


def library_for(policy: Any) -> str | None:
    """What would load a policy that is saved; None if it cannot be kept."""
    if not hasattr(policy, "save"):
        return None
    own = f"{type(policy).__module__}:{type(policy).__qualname__}" if hasattr(type(policy), "load") else None
    named: str | None = getattr(policy, "library", own)
    return named


def keep(policy: Any, path: Path) -> None:
    """Save a policy into a file that appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        policy.save(partial)


def is_kept(reference: str | Path) -> bool:
    """Whether this is the file of a policy that a benchmark has kept."""
    path = Path(reference)
    return path.suffix == SUFFIX and path.is_file() and path.with_suffix(".json").is_file()


def library_of(path: Path) -> str:
    """What loads the policy of a file, as the result beside it says.

    Raises
    ------
    ValueError
        If that is somebody's own code, which is not run because a file names it.
    """
    named = str(read_result(path.with_suffix(".json")).provenance.get(LIBRARY, ""))
    allowed = f"is loaded by {named or 'what its result does not say'}, which is not run unless you name it: --library"
    require(named.startswith(OURS), "file", str(path), f"{allowed} {named}".rstrip())
    return named


def told(path: Path, policy: Any, protocol: Protocol | None) -> Any:
    """A policy that knows what the result beside it says of it: its name, information, choices and training."""
    result = read_result(path.with_suffix(".json"))
    choices = result.choices
    if protocol is not None:
        choices = {key: value for key, value in choices.items() if key in protocol.choices}
    policy.name, policy.information, policy.scope = result.policy, result.information, result.scope
    policy.choices, policy.agents = choices, result.agents
    policy.training_steps, policy.training_time = max(result.training_steps, 1), result.training_time
    policy.learning_curve = result.curve
    return policy


def find_kept(name: str, seed: int = 0, results: Path = Path()) -> Path:
    """The file of a policy that was kept, by the name of its algorithm in files and its training seed.

    Parameters
    ----------
    name : str
        "matd3", or where several protocols have one, "xl-mimo-quick/matd3".
    seed : int
    results : Path
        Folder with PROTOCOL/ALGORITHM/SEED.model.

    Raises
    ------
    ValueError
        If there is none, or there are several; the message says what there is.
    """
    there = sorted(path for path in Path(results).glob(f"*/*/*{SUFFIX}") if is_kept(path))
    names = sorted({path.parent.relative_to(results).as_posix() for path in there})
    fits = [path for path in there if name in (path.parent.name, path.parent.relative_to(results).as_posix())]
    known = ", ".join(names) or "none at all"
    require(bool(fits), "policy", name, f"is none of those that {results} has kept: {known}")
    rows = sorted({path.parent.relative_to(results).as_posix() for path in fits})
    require(len(rows) == 1, "policy", name, f"is in several tables; say which: {', '.join(rows)}")
    seeds = sorted(int(path.stem) for path in fits)
    require(seed in seeds, "seed", seed, f"{name} was kept with training seeds {', '.join(map(str, seeds))}")
    return fits[0].with_name(f"{seed}{SUFFIX}")
