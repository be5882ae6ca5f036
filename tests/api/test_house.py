"""Rules of the house: import directions, light imports, one compiled signature for each kernel, the registries."""

import ast
import builtins
import importlib
import os
import pickle
import pkgutil
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pettingzoo
import pytest
from numba.core.caching import NullCache
from numba.core.dispatcher import Dispatcher

import cfenvs
from cfenvs.core.pipes import quiet_when_unread
from cfenvs.registration import IDS

ROOT = Path(__file__).parents[2]
PUBLIC = ("__", "_asdict", "_fields", "_replace")
"""Of special methods and of named tuples."""

SYSTEMS = {"cell_free", "xl_mimo", "ris_auction"}
BASE = {"arrays", "emitted", "kernels"}
ALLOWED = {
    "arrays": set(),
    "emitted": set(),
    "kernels": set(),
    "radio": BASE,
    "control": {*BASE, "core", "radio"},
    "core": BASE,
    "maps": {*BASE, "core"},
    "power": {*BASE, "radio", "control", "core", "maps"},
    "draw": {"arrays", "core", "power", "radio"},
    "registration": {"core"},  # for its types only
    "adapters": {"arrays", "core"},
    "evaluation": {"arrays", "core", "registration"},
    **{system: {*BASE, "radio", "control", "core", "power", "draw"} for system in SYSTEMS},
    "policies": {*BASE, "radio", "control", "core", "power", "registration", *SYSTEMS},
    "play": {"arrays", "core", "evaluation", "policies", "registration"},
}
"""What each part of `cfenvs` may import from the others."""
MOVED = {"core/__init__.py", "core/objectives.py", "cell_free/propagation.py"}
"""Where things still answer to the names that they had before they moved."""


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_imports_point_one_way(part):
    folder = ROOT / "cfenvs" / part
    for path in sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]:
        if str(path.relative_to(ROOT / "cfenvs")) in MOVED:
            continue
        for module in imported(path):
            names = module.split(".")
            if names[0] == "cfenvs" and len(names) > 1:
                assert names[1] in ALLOWED[part] | {part}, f"{path.relative_to(ROOT)} imports {module}"
            assert names[0] not in {"baselines", "benchmarks", "tests"}, f"{path.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize("words", [["-m", "cfenvs"], ["-m", "baselines"]], ids=["cfenvs", "baselines"])
def test_a_command_whose_reader_goes_ends_quietly(words):
    """Before it has written anything: a pipe takes more than it has to say."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as unread:
        ended = subprocess.run([sys.executable, *words], stdout=unread, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_so_does_every_command_line_but_not_where_another_pipe_breaks(capfd):
    for name in ("cfenvs", "cfenvs/maps", "benchmarks", "baselines"):
        assert re.search(r"^ *with quiet_when_unread\(\):$", (ROOT / name / "__main__.py").read_text(), re.MULTILINE), (
            name
        )
    assert "@quiet_when_unread()\ndef command_line(" in (ROOT / "baselines/common/arguments.py").read_text()
    with pytest.raises(BrokenPipeError, match="of a worker"), quiet_when_unread():
        raise BrokenPipeError("of a worker")


def test_what_serves_every_system_imports_none():
    """The benchmark's own modules too: what is of one system alone stands in `benchmarks/systems` and in figures."""
    serving = [ROOT / "cfenvs" / name for name in ("play.py", "__main__.py", "registration.py")]
    serving += (ROOT / "cfenvs" / "evaluation").rglob("*.py")
    serving += [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "benchmarks" / "report").glob("*.py")]
    for path in serving:
        systems = {
            module for module in imported(path) if module.split(".")[:2] in [["cfenvs", name] for name in SYSTEMS]
        }
        assert not systems, f"{path.relative_to(ROOT)} imports {systems}"


def test_moved_objectives_keep_their_first_names():
    from cfenvs import core, power
    from cfenvs.core.objectives import EnergyEfficiency, load_objective

    assert core.SumRate is power.SumRate
    assert EnergyEfficiency is power.EnergyEfficiency
    assert load_objective is power.objectives.load_objective
    with pytest.raises(AttributeError, match="no attribute 'Sum'"):
        core.Sum  # noqa: B018


def test_every_part_has_a_rule():
    parts = {path.stem for path in (ROOT / "cfenvs").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert parts - {"__init__", "__main__", "__pycache__", "py"} == set(ALLOWED)


def test_baselines_do_not_know_benchmarks_and_neither_touches_private_attributes():
    for folder in ("baselines", "benchmarks", "examples"):
        for path in (ROOT / folder).rglob("*.py"):
            shows_datasets = path.parent.name == "frameworks"  # of `python -m benchmarks dataset`
            knows = any(module.startswith("benchmarks") for module in imported(path))
            assert folder == "benchmarks" or shows_datasets or not knows
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith(PUBLIC):
                    own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
                    own |= isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "super"
                    assert own, f"{path.relative_to(ROOT)}:{node.lineno} touches {node.attr}"


def test_one_module_is_called_play_and_the_other_is_found_under_its_old_name_too():
    assert len(list((ROOT / "cfenvs").rglob("play.py"))) == 1
    code = "import cfenvs.ris_auction.play; from cfenvs.ris_auction.play import Outcomes, play; print(play.__module__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "cfenvs.ris_auction.matches\n", done.stderr


def test_importing_is_light():
    """No heavy library comes with the package, nor with an environment that is not rendered.

    Nor does the linear algebra of SciPy, which numba compiles with: what is on disk is read without it.
    """
    code = (
        "import sys, cfenvs, gymnasium as gym; env = gym.make('CellFreeUplinkPower-v0'); env.reset(seed=0);"
        "env.step(env.action_space.sample()); libraries = {'torch', 'matplotlib', 'pygame', 'stable_baselines3'};"
        "print(sorted((libraries | {'tensorboard', 'scipy.linalg', 'numba.np.linalg'}) & sys.modules.keys()))"
    )
    _, later = (subprocess.run([sys.executable, "-c", code], capture_output=True, text=True) for _ in range(2))
    assert later.stdout == "[]\n", later.stderr


def test_importing_is_quick():
    """The package alone brings Gymnasium and PettingZoo, not what an environment is computed with."""
    code = "import sys, cfenvs; print(sorted({'numba', 'scipy', 'threadpoolctl', 'cfenvs.core'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_each_kernel_compiles_once():
    """After every case of the faces' tests has run, no kernel has two signatures, not even for read-only actions.

    But for estimates in 32 bits, which other tests may have asked for.
    """
    from tests.systems import CASES

    for case in CASES:
        env = gym.make_vec(case.id, 2, **case.kwargs)
        env.reset(seed=0)
        for read_only in (False, True):  # as actions of `optimum` are
            actions = env.action_space.sample()
            actions.flags.writeable = not read_only
            env.step(actions)
        env.optimum()
        batched = case.package.parallel_vec_env(2, **case.kwargs)
        batched.reset(seed=0)
        batched.step(batched.action_space.sample())
    seen = 0
    for module in pkgutil.walk_packages(cfenvs.__path__, "cfenvs."):
        if module.name.startswith(("cfenvs.adapters", "cfenvs.__main__")) or "render" in module.name:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Dispatcher) and not isinstance(value._cache, NullCache):
                radio = module.name.startswith("cfenvs.radio.")
                seldom = [signature for signature in value.signatures if radio and "float32" in str(signature)]
                usual = len(value.signatures) - len(seldom)
                assert max(usual, len(seldom)) <= 1, f"{module.name}.{name}: {value.signatures}"
                seen += 1
    assert seen > 5


def test_warmup_compiles_everything_that_a_step_needs():
    code = """
import gc, cfenvs, gymnasium as gym
from cfenvs.registration import IDS
from numba.core.dispatcher import Dispatcher

def compiled():
    kernels = [found for found in gc.get_objects() if issubclass(type(found), Dispatcher)]
    return {f"{found.py_func.__module__}.{found.__name__}": len(found.signatures) for found in kernels}

cfenvs.warmup()
before = compiled()
for name in IDS:
    env = gym.make(name)
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.unwrapped.optimum()
print(sum(before.values()), *(name for name, count in compiled().items() if count > before.get(name, 0)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    count, *late = done.stdout.split()
    assert int(count) > 10, done.stderr
    assert late == []


@pytest.mark.parametrize("name", IDS)
def test_every_id_is_registered_with_both(name):
    assert gym.spec(name).max_episode_steps is None  # the simulator truncates
    parallel = pettingzoo.make("parallel", f"cfenvs/{name}")
    assert isinstance(parallel, pettingzoo.ParallelEnv)
    assert isinstance(pettingzoo.make("aec", f"cfenvs/{name}"), pettingzoo.AECEnv)


def test_the_list_of_environments():
    out = subprocess.run([sys.executable, "-m", "cfenvs"], capture_output=True, text=True).stdout
    for word in (*IDS, "book-100x4", "near-field", "l-mmse", cfenvs.__version__):
        assert word in out


def test_a_world_seeded_like_a_list_of_integers_is_the_same():
    """NumPy integers are seeds too."""
    env = gym.make_vec("CellFreeUplinkPower-v0", 2, receiver="mr")
    a, _ = env.reset(seed=np.int64(3))
    b, _ = env.reset(seed=3)
    assert (a == b).all()


def test_text_is_read_and_written_as_utf_8_everywhere():
    """Not in the encoding of the system, which is another on Windows."""
    for folder in ("cfenvs", "baselines", "benchmarks", "examples", "docs"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {"read_text", "write_text"}:
                    assert "encoding" in {keyword.arg for keyword in node.keywords}, f"{path}:{node.lineno}"


@pytest.mark.parametrize("name", IDS)
def test_the_faces_are_classes_of_their_module_and_the_first_has_the_page(name):
    package, prefix = IDS[name]
    module = importlib.import_module(package)
    for kind in ("Env", "VectorEnv", "ParallelEnv", "ParallelVecEnv"):
        face = getattr(module, f"{prefix}{kind}")
        assert pickle.loads(pickle.dumps(face)) is face
        assert face.__module__ == f"{package}.env"
        assert face.system.name == name
    page = pydoc.render_doc(getattr(module, f"{prefix}Env"))
    assert "Description" in page
    assert "Citation" in page
    assert pickle.loads(pickle.dumps(module.env)) is module.env
    # A statement, not an assignment: type checkers take it as a type, editors show its page.
    text = Path(f"{module.__path__[0]}/env.py").read_text(encoding="utf-8")
    assert f"{prefix}Env" in {node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}


OURS = ("cfenvs", "baselines", "benchmarks")
ELSEWHERE = {"GymEnv", "MaskablePPO", "Surface", "exp", "frameskip", "get_rect", "log10", "set_options"}
"""Names in docstrings that are those of other libraries, and not imported."""
EXAMPLES = re.compile(r"Toy(Vector|Parallel|ParallelVec)?Env|_x|[\w.]*\.(cff|npz|pkl|pt|py|toml)")
"""Names that stand for any of their kind, and files."""


def trees():
    return [(path, ast.parse(path.read_text())) for folder in OURS for path in sorted((ROOT / folder).rglob("*.py"))]


def docstrings(tree):
    """All that stands under a definition or a name; a comment is none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def defined(tree):
    """Names that a module gives to something, imports, passes on as an argument, or has as a key or a choice."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name) | ast.keyword(arg=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.Constant(value=str(name)):
                yield name
            case ast.alias(name=name, asname=other):
                yield from (*name.split("."), other)


def test_what_a_docstring_names_exists():
    """Single backticks are for names: what is renamed or gone may not live on in a sentence."""
    named = [(path, text) for path, tree in trees() for text in docstrings(tree)]
    named += [(path, path.read_text()) for path in (ROOT / "docs").rglob("*.rst") if "generated" not in path.parts]
    known = {*dir(builtins), *OURS, *ELSEWHERE}
    libraries = set()
    for path, tree in trees():
        known.update(path.relative_to(ROOT).with_suffix("").parts, defined(tree))
        libraries.update(module.partition(".")[0] for module in imported(path))
    missing = []
    for path, text in named:
        for name in re.findall(r"(?<![`:\w])`([A-Za-z_][\w.]*)(?:\(\))?`(?!`)", text):
            first, *_ = parts = name.split(".")
            if EXAMPLES.fullmatch(name) or (first in libraries - set(OURS) and len(parts) > 1):
                continue
            if not known.issuperset(parts):
                missing.append(f"{path.relative_to(ROOT)}: `{name}`")
    assert not missing


def test_a_docstring_can_be_understood_alone():
    """None says "The second." of what another one says."""
    riddle = re.compile(r"(as )?(above|before|below|one|(the )?(first|second|third|last|other|same)( of the \w+)?)\.")
    found = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        if riddle.fullmatch((ast.get_docstring(node) or "").lower())
    ]
    assert not found


@pytest.mark.parametrize("name", IDS)
def test_the_docstring_of_a_system_follows_an_action_through_its_files(name):
    """It names every file of the system, and of what it shares with others, whose code runs in a step; and no other."""
    package, _ = IDS[name]
    module, house = importlib.import_module(package), ROOT / "cfenvs"
    env = gym.make(name, disable_env_checker=True).unwrapped
    env.reset(seed=0)
    action, used = env.action_space.sample(), set()
    sys.setprofile(lambda frame, event, _: used.add(Path(frame.f_code.co_filename)))
    try:
        env.step(action)
    finally:
        sys.setprofile(None)
    own, shared = Path(module.__file__).parent, house / "power"
    named = set(re.findall(r"`([a-z_/]+\.py)`", module.__doc__))
    assert {str(path.relative_to(own)) for path in used if path.is_relative_to(own)} <= named
    assert {f"power/{path.name}" for path in used if path.parent == shared} <= named
    for file in named:
        assert (own / file).is_file() or (house / file).is_file(), f"{package} has no {file}"


def test_the_first_step_of_an_auction_compiles_nothing_of_strings(tmp_path):
    """Numba does for an assignment of whole rows, to say in an error that lengths differ: three seconds of ten."""
    code = """
import gymnasium as gym
import cfenvs
from numba.core import event

class Compiled(event.Listener):
    modules = []
    def on_start(self, event):
        self.modules.append(event.data["dispatcher"].py_func.__module__)
    def on_end(self, event):
        pass

event.register("numba:compile", Compiled())
env = gym.make("RISAuction-v0")
env.reset(seed=0)
env.step(env.action_space.sample())
print("cfenvs.ris_auction.bidders" in Compiled.modules, *{name for name in Compiled.modules if "unicode" in name})
"""
    fresh = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=fresh)
    assert done.stdout.split() == ["True"], done.stderr
