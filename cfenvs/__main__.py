"""`python -m cfenvs`: the environments, their presets, receivers, bidders and controllers.

`play` shows one of them, `describe` says what one is with given arguments.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym

import cfenvs
from cfenvs.core.actions import InvalidAction
from cfenvs.core.errors import check_keys
from cfenvs.core.pipes import quiet_when_unread
from cfenvs.core.simulator import System
from cfenvs.evaluation import find_kept, offered_algorithms
from cfenvs.play import FIRST_LOOK, FPS, DisplayError, Performance, check_output, perform
from cfenvs.policies import CONTROLLERS
from cfenvs.registration import IDS, EachSystem, system_of


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the list, or show or describe a system."""
    parser = argparse.ArgumentParser(
        prog="python -m cfenvs", description="Without a command: list environments, presets, receivers and controllers."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    play, describe = _play_parser(commands), _describe_parser(commands)
    args, unknown = parser.parse_known_args(arguments)
    if unknown:
        command = {"play": play, "describe": describe}.get(args.command, parser)
        command.error(f"unrecognized arguments: {' '.join(unknown)} (those of the environment: --set KEY=VALUE ...)")
    if args.command is None:
        _list()
    elif args.command == "describe":
        _describe(describe, args)
    else:
        _play(play, args)


def _describe(command: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    try:
        check_keys([args.id], IDS, "environment")
        package, prefix = IDS[args.id]
        face = getattr(importlib.import_module(package), "parallel_env" if args.agents else f"{prefix}Env")
        env = face(preset=args.preset, **dict(args.set))
        env.reset(seed=args.seed)
    except (ValueError, ImportError) as error:
        command.error(str(error))
    facts = env.describe()
    print(json.dumps(facts, indent=1) if args.json else facts)


def _play(command: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    try:
        check_output(args.out, args.fps)
        performance = Performance(
            args.id,
            controller=args.controller,
            policy=_found(args),
            library=args.library,
            opponents=args.opponents,
            seed=args.seed,
            episodes=args.episodes,
            env_kwargs={"preset": args.preset, **dict(args.set)},
            sensitivity_of=args.sensitivity_of,
        )
    except (ValueError, ImportError, gym.error.DependencyNotInstalled) as error:
        command.error(str(error))
    print(performance.title, flush=True)
    try:
        perform(performance, args.out, args.fps)
        if args.out is not None:
            print(f"written: {args.out}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted{'' if args.out is None else f': {args.out} is not written'}")
    except (DisplayError, InvalidAction) as error:  # of others, such as a policy's own, the traceback helps
        command.error(str(error))


def _found(args: argparse.Namespace) -> str | None:
    """The policy, that of a name among those that a benchmark has kept being the file of it."""
    policy: str | None = args.policy
    named = policy is not None and ":" not in policy
    if policy is None or not named or Path(policy).is_file() or policy in offered_algorithms():
        return policy
    try:
        return str(find_kept(policy, args.training_seed, args.results))
    except ValueError:
        if args.library is not None and Path(policy).suffix:
            return policy  # a file is meant, which is not there
        raise


def _describe_parser(commands: Any) -> argparse.ArgumentParser:
    describe: argparse.ArgumentParser = commands.add_parser(
        "describe",
        help="say what an environment is with given arguments: sizes, radio, pilots, what is observed, done and earned",
        description="Say what an environment is with given arguments: sizes, radio, pilots, what is observed, done and "
        "earned, and the optimum, in a network of its own.",
    )
    _add_environment(describe)
    describe.add_argument("--seed", metavar="N", type=int, default=0, help="of the network (%(default)s)")
    describe.add_argument("--agents", action="store_true", help="as many agents see it, not a central one")
    describe.add_argument("--json", action="store_true", help="as JSON")
    return describe


def _add_environment(command: argparse.ArgumentParser) -> None:
    command.add_argument("id", metavar="ID", help=f"one of {', '.join(CONTROLLERS)}")
    command.add_argument("--preset", metavar="NAME", default="default", help="of the environment (%(default)s)")
    command.add_argument(
        "--set",
        metavar="KEY=VALUE",
        nargs="+",
        action="extend",
        type=_setting,
        default=[],
        help="arguments of the environment, values as JSON: users=5 receiver=mr levels=[0,50,200]",
    )


def _play_parser(commands: Any) -> argparse.ArgumentParser:
    each = EachSystem("examples").items()
    examples = [f"python -m cfenvs play {env_id} {text}" for env_id, texts in each for text in texts]
    play: argparse.ArgumentParser = commands.add_parser(
        "play",
        help="show a system with a controller or a policy of yours, in a window or as a file",
        description="Show a system with a controller or a policy of yours. Press Escape to close the window.",
        epilog="\n  ".join(["examples:", *examples]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    first = ", ".join(f"{name} for {env_id}" for env_id, name in FIRST_LOOK.items())
    fps = "; ".join(f"{fps} for {env_id}" for env_id, fps in FPS.items())
    _add_environment(play)
    who = play.add_mutually_exclusive_group()
    who.add_argument("--controller", metavar="NAME", help=f"who decides, from the list of python -m cfenvs ({first})")
    who.add_argument(
        "--policy",
        metavar="REF",
        help="my_module:MyPolicy, a class or factory made without arguments, with act(observations, infos); in an "
        "auction also a bidder; or with --library a file; or the name of a learner of which a benchmark has kept "
        "policies. This runs code that others wrote, also code in such a file: name only what you trust",
    )
    play.add_argument(
        "--training-seed", metavar="N", type=int, default=0, help="of a policy that was kept (%(default)s)"
    )
    play.add_argument(
        "--results",
        metavar="FOLDER",
        type=Path,
        default=Path("runs") / "leaderboard",
        help="with PROTOCOL/ALGORITHM/SEED.model, what was kept (%(default)s)",
    )
    play.add_argument(
        "--library", metavar="REF", help="what loads the file: stable_baselines3:PPO or the like, or tianshou"
    )
    play.add_argument(
        "--opponents",
        metavar="NAME",
        nargs="+",
        default=[],
        help="in auctions: controllers in the other seats, one for all or one for each (like the first)",
    )
    play.add_argument(
        "--sensitivity-of", metavar="USER", type=int, help="show whose rate falls if this user sends more, and how much"
    )
    play.add_argument("--seed", metavar="N", type=int, default=0, help="of the first episode (%(default)s)")
    play.add_argument("--episodes", metavar="N", type=int, default=1, help="each in a new network (%(default)s)")
    play.add_argument("--out", metavar="FILE", type=Path, help="a .gif or .mp4 to write, in place of a window")
    play.add_argument("--fps", metavar="N", type=int, help=f"frames a second ({fps})")
    return play


def _setting(text: str) -> tuple[str, Any]:
    """KEY=VALUE; a value that is no JSON is a word."""
    key, separator, value = text.partition("=")
    if not (separator and key):
        raise argparse.ArgumentTypeError(f"{text!r}: must have the form key=value")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError as error:
        if value[:1] in ("[", "{", '"'):
            raise argparse.ArgumentTypeError(f"{text!r}: the value is no JSON ({error})") from None
        return key, {"True": True, "False": False, "None": None}.get(value, value)


def _list() -> None:
    print(f"cfenvs {cfenvs.__version__}")
    for env_id in IDS:
        _print(system_of(env_id))


def _print(system: System[Any, Any]) -> None:
    print(f"\n{system.name}\n  presets (preset=...)")
    for name in system.presets:
        print(f"    {name:15} {system.describe(system.configure(name, {}))}")
    known, playing = system.part("controllers"), {}
    for word, choices in system.catalogue.items():
        print(f"  {word} ({word}=...)")
        for name, what in choices.items():
            print(f"    {name:18} {(what.__doc__ or '').splitlines()[0]}")
        if choices.keys() <= known.keys():
            playing[word] = choices
    controllers = {name: make() for name, make in known.items() if not any(name in names for names in playing.values())}
    more = f": all {' and '.join(playing)}, and" if playing else ""
    print(f"  controllers (python -m cfenvs play {system.name} --controller ...){more}")
    for name, made in controllers.items():
        what = f"{made.name}, {made.information}" if hasattr(made, "name") else str(made)
        print(f"    {name:20} {what}")


if __name__ == "__main__":
    with quiet_when_unread():
        main()
