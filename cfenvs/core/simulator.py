"""What a simulated system has to provide so that the four faces can show it.

A `Simulator` holds E worlds as arrays and knows nothing of Gymnasium or PettingZoo. A `View` turns what a face is given
into commands for it, and its arrays into observations, rewards and infos. Each system has one simulator and two views,
one for a central agent and one for many; a `System` ties them together. Type parameters say what passes between them:
`Command` from a view to its simulator, `Scenario` and `Best` from there to whoever asks for a network or an optimum.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import call
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import gymnasium as gym
import numpy as np

from cfenvs.arrays import Array, Bool, Float, Float32, Int
from cfenvs.core.account import Account
from cfenvs.core.config import load_object, require
from cfenvs.core.contest import Contest
from cfenvs.core.crew import Crew
from cfenvs.core.errors import check_options
from cfenvs.core.threads import one_thread
from cfenvs.kernels import Run

if TYPE_CHECKING:
    from cfenvs.core.rendering import Renderer

Arrays = dict[str, Array]
REWARD_ALONE: Mapping[str, str] = {"reward": "mean"}
"""What an evaluation measures of an environment that does not say: the mean reward of a step."""
ALL_OPTIONS = "cfenvs.registration:reset_options"
"""What tells the reset options of all systems; looked up when one is given that the system at hand does not know."""


class Reference(Protocol):
    """What `optimum()` of every system returns: the best in the current situation, proven or the best found.

    A system may tell more: power control both its optima (`cfenvs.control.Optimum`), an auction the utilities and what
    VCG would charge (`cfenvs.ris_auction.EfficientAllocation`).

    Attributes
    ----------
    value : float
        In the unit of the objective: what the best actions of the kind in use would bring in the next step, in an
        auction from now on as a whole.
    action : (A, ...) array
        What each agent would have to play for it: its power as `step` of the central agent takes it (with
        `action_type="joint"` still an index for each), its bids.
    certified : bool
        Whether it is proven.
    gap : float
        By how much, relative to `value`, others can be better, as far as is proven; infinite where nothing is.
    method : str
        How it was found.
    """

    @property
    def value(self) -> float: ...
    @property
    def action(self) -> Array: ...
    @property
    def certified(self) -> bool: ...
    @property
    def gap(self) -> float: ...
    @property
    def method(self) -> str: ...


Command = TypeVar("Command")
Scenario = TypeVar("Scenario")
Best = TypeVar("Best", bound=Reference)


class Simulator(ABC, Generic[Command, Scenario, Best]):
    """E worlds of one system.

    Attributes
    ----------
    num_worlds : int
    scenarios : sequence
        The current network of each world; None before its first reset.
    terminated, truncated : (E,) bool arrays
        How the last step left each world.
    crew : Crew
        The threads that it may share its worlds out among.
    run : callable
        What runs the kernels of a step, given one and its arguments: with these threads where that pays.
    """

    num_worlds: int
    scenarios: Sequence[Scenario | None]
    terminated: Bool
    truncated: Bool
    crew: Crew = Crew()
    run: Run = call
    reset_options: ClassVar[tuple[str, ...]] = ()
    """What `reset(options=...)` takes, beside `reset_mask` of many worlds."""

    def join(self, crew: Crew) -> None:
        """Be told which threads there are."""
        self.crew = crew

    def check_options(self, options: Mapping[str, Any], worlds: Int) -> None:
        """Raise if a reset of these worlds with these options would fail; change nothing."""
        check_options(options, self.reset_options, lambda: load_object(ALL_OPTIONS)())

    @abstractmethod
    def reset(
        self,
        worlds: Int,
        generators: Sequence[np.random.Generator],
        seeded: Bool,
        options: Mapping[str, Any],
    ) -> None:
        """Start a new episode in some worlds.

        Where other people's code raises, nothing of any world has changed, nor has a generator.

        Parameters
        ----------
        worlds : (n,) int array
            Which.
        generators : n generators
            Each world's own; every random draw of the episode comes from it.
        seeded : (n,) bool array
            Whether the generator is new: what is held over episodes starts afresh.
        options : mapping
            Checked by `check_options` before.
        """

    @abstractmethod
    def step(self, command: Command) -> bool:
        """Advance all worlds, and say whether an episode has ended in any of them.

        A world that has finished may be stepped; what it then shows is meaningless.
        """

    @abstractmethod
    def optimum(self, world: int) -> Best:
        """The optimum of a world's current situation, exact or saying that it is not."""


BLOCK = 2**15
"""Numbers in an array of a stage of a reset: 256 KiB, of which a second-level cache holds a few."""


def blocks(count: int, numbers: int, parts: int = 1) -> Iterator[slice]:
    """Ranges of worlds that are reset together, each world having arrays of so many numbers; at least so many."""
    size = min(max(1, BLOCK // numbers), max(1, -(-count // parts)))
    for first in range(0, count, size):
        yield slice(first, first + size)


def zeroed(array: Array, worlds: Int) -> Array:
    """A copy with the rows of some worlds zero: what was handed out before must not change."""
    array = array.copy()
    array[worlds] = 0
    return array


class View(ABC, Generic[Command]):
    """One way to look at a simulator and act on it. Arrays have a leading axis E."""

    single_observation_space: gym.spaces.Box
    single_action_space: gym.Space[Any]

    @abstractmethod
    def command(self, actions: Any) -> Command:
        """Check actions and translate them for `Simulator.step`; raise `InvalidAction` and change nothing otherwise."""

    @abstractmethod
    def observe(self, out: Float32) -> None:
        """Write the observations of all worlds."""

    @abstractmethod
    def reward(self) -> Float:
        """Rewards of the last step, a new array."""

    def played(self, best: Any, world: int) -> Any:
        """What is best in a world, with its action as this view takes it: by default as the simulator says it."""
        return best

    def situation(self) -> Arrays:
        """Infos that describe what the next action meets: new arrays by name."""
        return {}

    def outcome(self) -> Arrays:
        """Infos on what the last step brought, neutral values after a reset: new arrays by name."""
        return {}

    def infos(self) -> Arrays:
        """What a reset and a step tell, the same keys, shapes and types in both: new arrays by name."""
        infos = self.situation()
        infos.update(self.outcome())
        return infos


class AgentsView(View[Command]):
    """A view of many agents: the arrays of observations, rewards and infos have axes (E, A, ...).

    The two spaces are those of a single agent; all agents of a system have the same.

    Attributes
    ----------
    agents : tuple of str
        Their names.
    agent : str
        What one of them is, such as "user"; by default what the system says.
    """

    agents: tuple[str, ...]
    agent: str = ""
    state_space: gym.spaces.Box

    @abstractmethod
    def may_act(self) -> Bool:
        """Whose next action counts, (E, A)."""

    def idle_parts(self) -> Bool | None:
        """Which numbers in the action of each agent count for nothing, (E, A, ...); None where all of them count."""
        return None

    @abstractmethod
    def state(self) -> Float32:
        """The central view of all worlds, (E, S)."""


def _no_facts(simulator: Any, view: View[Any], world: int) -> Mapping[str, Mapping[str, Any]]:
    return {}


Config = TypeVar("Config")
Sim = TypeVar("Sim", bound=Simulator[Any, Any, Any])


@dataclass(frozen=True, kw_only=True)
class System(Generic[Config, Sim]):
    """A simulated system and everything the faces need to show it.

    Attributes
    ----------
    name : str
        The id, such as "CellFreeUplinkPower-v0".
    agent : str
        What one of its agents is: "user", "operator".
    configure : callable
        (name of a preset, overrides) to a configuration.
    simulator : callable
        (configuration, number of worlds) to a `Simulator`.
    central, agents : callables
        A simulator to a `View` and to an `AgentsView`.
    renderer : callable
        A simulator to a `cfenvs.core.rendering.Renderer`; called at the first frame.
    presets : mapping
        Overrides by name of preset.
    metrics : mapping
        What an evaluation measures of an episode: "reward", and infos by name, each as the "mean" over its steps, their
        "sum", or what the "last" of them says.
    louder : callable, optional
        (configuration, share) to the arguments under which everybody sends that share more power: how a verification
        finds out what hangs on the last bits.
    describe : callable
        A configuration to a line for `python -m cfenvs`.
    facts : callable
        (simulator, view, world) to what `describe()` of a face says beyond what is said of every system: plain values
        by section and name (`cfenvs.core.description`).
    served : callable, optional
        A simulator to what is counted of each of those that are served, in words with its unit, and these numbers of
        the last step in all worlds, flat: a report shows their distribution.
    catalogue : mapping
        Arguments that take names, each with what its names stand for: things whose docstrings begin with a sentence.
    controllers : mapping
        What makes each policy that needs no training, by name.
    first_look : str
        The controller that `python -m cfenvs play` shows unless another is asked for.
    fps : int
        Frames a second of what it shows.
    account : callable
        (environment, policy) to what sums up an episode there, a `cfenvs.core.account.Account`.
    examples : tuple of str
        What may follow `python -m cfenvs play` and the id, for the help of that command.
    contest : Contest, optional
        Of a system whose agents are rivals.
    learner : str
        The one that the quick protocols train.

    Each of `renderer`, `controllers`, `account` and `contest` may be a "module:Name", which `part` looks up: a system
    must not import what is built on top of it, nor need pygame before something is drawn.
    """

    name: str
    configure: Callable[[str, Mapping[str, Any]], Config]
    simulator: Callable[[Config, int], Sim]
    central: Callable[[Sim], View[Any]]
    agents: Callable[[Sim], AgentsView[Any]]
    renderer: Callable[[Sim], Renderer[Sim]] | str
    presets: Mapping[str, Mapping[str, Any]]
    agent: str = "agent"
    metrics: Mapping[str, str] = field(default_factory=lambda: dict(REWARD_ALONE))
    louder: Callable[[Config, float], Mapping[str, Any]] | None = None
    describe: Callable[[Config], str] = str
    facts: Callable[[Any, View[Any], int], Mapping[str, Mapping[str, Any]]] = _no_facts
    served: Callable[[Any], tuple[str, Float]] | None = None
    catalogue: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    controllers: Mapping[str, Callable[[], Any]] | str = "cfenvs.policies:ANYWHERE"
    first_look: str = "random"
    fps: int = 10
    account: Callable[[Any, Any], Any] | str = Account
    examples: tuple[str, ...] = ()
    contest: Contest | str | None = None
    learner: str = "ppo"

    def __post_init__(self) -> None:
        known = "reward" in self.metrics and {"mean", "sum", "last"}.issuperset(self.metrics.values())
        require(known, "metrics", self.metrics, 'must map "reward", and infos, to "mean", "sum" or "last"')

    def part(self, name: str) -> Any:
        """An attribute, imported if it is the "module:Name" of one."""
        value = getattr(self, name)
        module, separator, inner = value.partition(":") if isinstance(value, str) else ("", "", "")
        return getattr(importlib.import_module(module), inner) if separator else value

    @property
    def reset_options(self) -> tuple[str, ...]:
        """What `reset(options=...)` takes, as the simulator says."""
        return getattr(self.simulator, "reset_options", ())

    def build(self, config: Config, num_worlds: int, threads: Any = 1) -> Sim:
        """A simulator whose numbers do not depend on how many threads the machine has, or it may use."""
        crew = Crew.of(threads)
        with one_thread():
            simulator = self.simulator(config, num_worlds)
        simulator.join(crew)
        return simulator
