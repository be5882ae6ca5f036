"""`python -m cfenvs play`: what is shown and written, what is printed, and what is refused."""

import base64
import re
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest

from cfenvs.__main__ import main
from cfenvs.evaluation import Protocol, evaluate
from cfenvs.play import FIRST_LOOK, Performance, animation, perform, picture
from cfenvs.policies import CONTROLLERS, make_controller
from cfenvs.ris_auction import Greedy, play

pytest.importorskip("pygame")
image = pytest.importorskip("PIL.Image")

CELL_FREE, XL_MIMO, AUCTION = "CellFreeUplinkPower-v0", "XLMIMOPower-v0", "RISAuction-v0"
SMALL = {
    CELL_FREE: ["preset=small", "episode_length=4"],
    XL_MIMO: ["base_stations=4", "users=3", "episode_length=4"],
    AUCTION: ["surfaces=5", "users=3"],
}
FEW = [
    *((CELL_FREE, name) for name in ("random", "rate-feedback-3", "optimum-levels")),
    *((XL_MIMO, name) for name in ("random", "wmmse", "optimum")),
    *((AUCTION, name) for name in ("random", "straightforward", "greedy-0.5")),
]
HERE = __name__


class Full:
    """Everybody at full power, active or not."""

    name, information, action_type = "all of it", "none", "continuous"

    def act(self, observations, infos):
        return np.ones((len(observations), 5))


class Users:
    """The same as one agent for each user."""

    name, information, agents = "all of them", "none", True

    def act(self, observations, infos):
        return np.full(observations.shape[:2], 4)


class WrongShape(Full):
    def act(self, observations, infos):
        return np.ones((len(observations), 3))


class Broken(Full):
    def act(self, observations, infos):
        raise ValueError("a slip of its author")


class Impatient(Full):
    """Somebody presses Ctrl-C in the third step."""

    steps = 0

    def act(self, observations, infos):
        self.steps += 1
        if self.steps == 3:
            raise KeyboardInterrupt
        return super().act(observations, infos)


class Sampled:
    """In an auction: a policy of one operator's observation, which bids for all that it may."""

    name, information = "all that it may", "none"

    def act(self, observations, infos):
        return infos["action_mask"][..., 1]


class Needy(Full):
    def __init__(self, something):
        pass


class Model:
    """A saved model as a library would load it."""

    def __init__(self, env):
        self.observation_space, self.action_space = env.observation_space, env.action_space

    @classmethod
    def load(cls, path, device):
        return cls(gym.make(path.read_text(), preset="small"))

    def predict(self, observations, deterministic):
        return np.full((len(observations), 5), 4), None


def everything(observations, masks, rng):
    """A bidder."""
    return masks


def halves(observations, masks, rng):
    """What is neither a bid nor none."""
    return masks * 0.5


def training(protocol, seed, folder=None):
    raise AssertionError("nothing is trained here")


@pytest.fixture(autouse=True)
def no_screen(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def shown(capsys, *arguments):
    """What is printed."""
    main(["play", *map(str, arguments)])
    return capsys.readouterr().out


def refusal(capsys, *arguments):
    """The last line of an error, which is all there is of it after the usage."""
    with pytest.raises(SystemExit) as ended:
        main(["play", *map(str, arguments)])
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert error.startswith("usage:")
    assert "Traceback" not in error
    return error.splitlines()[-1]


def durations(path):
    """Of each frame in ms."""
    with image.open(path) as gif:
        assert gif.size == (1000, 560)
        found = []
        for frame in range(gif.n_frames):
            gif.seek(frame)
            gif.load()
            found.append(gif.info["duration"])
        return found


@pytest.mark.parametrize(("env_id", "controller"), FEW)
def test_a_gif_has_a_frame_for_the_reset_and_one_for_each_step(tmp_path, capsys, env_id, controller):
    out = tmp_path / "show.gif"
    text = shown(
        capsys, env_id, "--controller", controller, "--set", *SMALL[env_id], "--out", out, "--fps", 2, "--episodes", 2
    )
    steps = [int(count) for count in re.findall(r": (\d+) (?:steps|rounds)", text)]
    assert len(steps) == 2
    found = durations(out)
    assert len(found) == sum(steps) + 2
    # The last of an episode stays for a second.
    assert found == [ms for count in steps for ms in [500] * count + [1500]]


def test_frames_are_those_of_the_environment():
    kwargs = {"preset": "small", "episode_length": 3}
    shown_by_itself = {"render_mode": "rgb_array", "action_type": "continuous", "info_optimum": True}
    env = gym.make_vec(CELL_FREE, 1, scenario_seed=[5], **shown_by_itself, **kwargs)
    policy = make_controller(CELL_FREE, "fractional")
    observations, infos = env.reset(seed=5)
    policy.begin(env)
    performance = Performance(CELL_FREE, controller="fractional", seed=5, env_kwargs=kwargs)
    frames = list(performance.frames())
    assert len(frames) == 4
    assert frames[0].shape == (*performance.size[::-1], 3)
    for frame in frames:
        np.testing.assert_array_equal(frame, env.render()[0])
        observations, *_, infos = env.step(policy.act(observations, infos))


@pytest.mark.parametrize("env_id", [CELL_FREE, XL_MIMO])
@pytest.mark.parametrize("controller", ["random", "fractional", "optimum"])
def test_the_summary_is_what_evaluate_returns(capsys, env_id, controller):
    walking = {"base_stations": 4, "users": 3, "mobility": "random-waypoint"}
    kwargs = {**({"preset": "small"} if env_id == CELL_FREE else walking), "episode_length": 4}
    expected = [
        evaluate(
            make_controller(env_id, controller),
            Protocol(env_id=env_id, env_kwargs=kwargs, num_scenarios=1, first_scenario=seed),
        ).reward[0]
        for seed in (7, 8)
    ]
    for _ in Performance(env_id, controller=controller, seed=7, episodes=2, env_kwargs=kwargs).frames():
        pass
    text = capsys.readouterr().out
    assert re.findall(r"seed (\d+): 4 steps, mean reward (-?\d+\.\d+)", text) == [
        (str(7 + i), f"{value:.3f}") for i, value in enumerate(expected)
    ]
    shares = [float(share) for share in re.findall(r"of which (\d+\.\d)%", text)]
    assert len(shares) == 2
    # The observed situation is that of the step: the optimum reaches itself.
    assert all(share == 100.0 if controller == "optimum" else 0.0 <= share < 100.0 for share in shares)


@pytest.mark.parametrize(
    ("options", "bidders"),
    [
        ([], "straightforward"),
        (["--controller", "greedy-0.5"], Greedy(0.5)),
        (["--controller", "greedy", "--opponents", "random", "silent"], ["greedy", "random", "silent"]),
        (["--controller", "greedy", "--opponents", "distance", "--set", "seat=1"], ["distance", "greedy", "distance"]),
        (["--controller", "greedy", "--set", 'opponents=["random", "silent"]'], ["greedy", "random", "silent"]),
        (["--policy", f"{HERE}:everything"], "always"),
        (["--policy", f"{HERE}:Sampled", "--opponents", f"{HERE}:everything"], "always"),
        (["--policy", "cfenvs.ris_auction:Greedy", "--opponents", "silent"], ["greedy", "silent", "silent"]),
    ],
)
def test_the_summary_of_an_auction_is_what_play_returns(tmp_path, capsys, options, bidders):
    kwargs = {"preset": "three-operators", "surfaces": 5, "users": 3, "increment": 0.1}
    outcomes = play(bidders, 1, seed=3, optimum=True, **kwargs)
    settings = ["--set", *(f"{key}={value}" for key, value in kwargs.items()), "--seed", "3", "--fps", "1", *options]
    text = shown(capsys, AUCTION, *settings, "--out", tmp_path / "show.gif")
    assert f"seed 3: {outcomes.rounds[0]} rounds, {outcomes.unsold[0]} of 5 surfaces unsold" in text
    assert f"welfare {outcomes.welfare[0]:.3f}; optimum {outcomes.optimal_welfare[0]:.3f}" in text
    rows = re.findall(r"operator (\d), .*: (\d+) won, utility (\S+), cost (\S+), reward (\S+)", text)
    money = (outcomes.utility, outcomes.cost, outcomes.reward)
    assert rows == [(str(o), str(outcomes.won[0, o]), *(f"{x[0, o]:.3f}" for x in money)) for o in range(3)]


def test_each_auction_of_an_episode_has_its_summary(capsys):
    kwargs = {"surfaces": 5, "users": 3, "auctions_per_episode": 3, "seat": 1}
    frames = list(Performance(AUCTION, controller="greedy", opponents=["silent"], env_kwargs=kwargs).frames())
    text = capsys.readouterr().out
    rounds = re.findall(r"auction (\d): (\d+) rounds", text)
    assert [number for number, _ in rounds] == ["1", "2", "3"]
    assert sum(int(count) for _, count in rounds) + 1 == len(frames)
    # Nobody else bids: all for free, and the reward is the utility.
    for won, utility, cost, reward in re.findall(r"1, greedy: (\d) won, utility (\S+), cost (\S+), reward (\S+)", text):
        assert int(won) > 0
        assert (cost, reward) == ("0.000", utility)


def test_an_mp4_has_the_same_frames(tmp_path, capsys):
    pytest.importorskip("moviepy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of moviepy
        ffmpeg = pytest.importorskip("imageio_ffmpeg")
        out = tmp_path / "show.mp4"
        shown(capsys, CELL_FREE, "--set", *SMALL[CELL_FREE], "--out", out, "--fps", 5)
        frames, seconds = ffmpeg.count_frames_and_secs(str(out))
    assert frames == 5 + 5  # reset and steps, and another second of the last
    assert seconds == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("options", [["--policy", f"{HERE}:Full"], ["--policy", f"{HERE}:Users"], ["file"]])
def test_policies_of_others(tmp_path, capsys, options):
    """Full power for all, in three ways: inactive users that send are punished, but for agents: they may not act."""
    if options == ["file"]:
        (tmp_path / "model.zip").write_text(CELL_FREE)
        options = ["--policy", tmp_path / "model.zip", "--library", f"{HERE}:Model"]
    text = shown(
        capsys, CELL_FREE, *options, "--set", *SMALL[CELL_FREE], "mean_on_steps=3", "--out", tmp_path / "a.gif"
    )
    assert len(durations(tmp_path / "a.gif")) == 5
    reward = float(re.search(r"mean reward (-?\d\.\d+)", text)[1])
    objective = re.search(r", objective (\d\.\d+)", text)
    if "Users" in str(options):  # what inactive agents send is ignored
        assert objective is None
        assert reward > 0
    else:
        assert reward < float(objective[1])
    assert any(name in text for name in ("all of it", "all of them", "model (Model)"))


def test_ctrl_c_keeps_what_has_been_shown(tmp_path, capsys):
    shown(capsys, CELL_FREE, "--policy", f"{HERE}:Impatient", "--set", *SMALL[CELL_FREE], "--out", tmp_path / "a.gif")
    assert durations(tmp_path / "a.gif") == [100] * 3


def spoil(monkeypatch, suffix, error):
    """Let the encoder raise after it has begun to write."""
    if suffix == ".gif":

        def save(self, path, **options):
            path.write_bytes(b"GIF89a")
            raise error

        monkeypatch.setattr(image.Image, "save", save)
        return
    writer = pytest.importorskip("moviepy.video.io.ffmpeg_writer").FFMPEG_VideoWriter

    def write_frame(self, frame):
        raise error

    monkeypatch.setattr(writer, "write_frame", write_frame)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BrokenPipeError()], ids=["ctrl-c", "closed pipe"])
@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
@pytest.mark.parametrize("before", [None, b"an older one"])
def test_a_file_appears_whole_or_not_at_all(tmp_path, monkeypatch, capsys, suffix, error, before):
    out = tmp_path / f"show{suffix}"
    if before is not None:
        out.write_bytes(before)
    spoil(monkeypatch, suffix, error)
    with pytest.raises((SystemExit, BrokenPipeError)) as caught:
        main(["play", CELL_FREE, "--set", *SMALL[CELL_FREE], "--out", str(out)])
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert left == ({} if before is None else {out.name: before})
    if isinstance(error, KeyboardInterrupt):
        assert str(caught.value) == f"interrupted: {out} is not written"
    assert "written:" not in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_a_closed_pipe_for_the_summary_leaves_no_part_of_a_file(tmp_path, monkeypatch, suffix):
    def closed(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr("cfenvs.play.print", closed, raising=False)
    with pytest.raises(BrokenPipeError):
        main(["play", CELL_FREE, "--set", *SMALL[CELL_FREE], "--out", str(tmp_path / f"show{suffix}")])
    assert not list(tmp_path.iterdir())


def test_ctrl_c_before_the_first_frame_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Performance, "frames", lambda self, hold: iter(()))
    out = tmp_path / "show.gif"
    with pytest.raises(SystemExit, match="interrupted: "):
        main(["play", CELL_FREE, "--set", *SMALL[CELL_FREE], "--out", str(out)])
    assert not list(tmp_path.iterdir())


def test_where_there_is_no_display_a_file_is_proposed_before_anything_is_played(capsys, monkeypatch):
    import pygame

    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")
    assert "no window can be opened here (no display): write a file with --out" in refusal(capsys, CELL_FREE)


def test_a_window_shows_all_until_escape(capsys, monkeypatch):
    import pygame

    shows = []
    flip = pygame.display.flip
    monkeypatch.setattr(pygame.display, "flip", lambda: (shows.append(pygame.display.get_caption()[0]), flip()))
    settings = [CELL_FREE, "--set", *SMALL[CELL_FREE], "--fps", "50"]
    assert "mean reward" in shown(capsys, *settings)
    assert len(shows) == 5 + 50
    assert "rate feedback" in shows[0]
    assert not pygame.display.get_init()
    shows.clear()
    for event in (pygame.QUIT, pygame.KEYDOWN):
        pending = [pygame.event.Event(event, key=pygame.K_ESCAPE)]
        monkeypatch.setattr(pygame.event, "get", lambda pending=pending: pending)
        assert "mean reward" not in shown(capsys, *settings)
    assert len(shows) == 2


def test_pictures_say_whose_rate_falls_if_that_is_asked():
    settings = {"controller": "full-power", "env_kwargs": {"preset": "small", "episode_length": 1}}
    plain, asked = (list(Performance(CELL_FREE, **settings, sensitivity_of=user).frames()) for user in (None, 1))
    assert [np.array_equal(one, other) for one, other in zip(plain, asked, strict=True)] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["CellFreUplinkPower-v0"], "did you mean 'CellFreeUplinkPower-v0'"),
        (["Pong-v5"], "'RISAuction-v0'"),
        ([CELL_FREE, "--controller", "full-pwer"], "did you mean 'full-power'"),
        ([CELL_FREE, "--preset", "smal"], "did you mean 'small'"),
        ([CELL_FREE, "--set", "usres=3"], "did you mean 'users'"),
        ([CELL_FREE, "--set", "users=0"], "users=0: must be"),
        ([CELL_FREE, "--set", "users"], "key=value"),
        ([CELL_FREE, "--set", "levels=[1, 2"], "no JSON"),
        ([CELL_FREE, "--users", "3"], "unrecognized arguments: --users 3 (those of the environment: --set KEY=VALUE"),
        ([CELL_FREE, "--set", "render_mode=human"], "got an unexpected keyword argument 'render_mode'"),
        (
            [CELL_FREE, "--controller", "full-power", "--set", "action_type=joint"],
            "must be 'continuous' for full power",
        ),
        ([CELL_FREE, "--controller", "random", "--policy", f"{HERE}:Full"], "not allowed with"),
        ([CELL_FREE, "--policy", f"{HERE}:Ful"], "has no attribute 'Ful'"),
        ([CELL_FREE, "--policy", "no_such_module:Full"], "no_such_module"),
        ([CELL_FREE, "--policy", f"{HERE}:Needy"], "needs values of something: give them in parentheses"),
        ([CELL_FREE, "--policy", f"{HERE}:training"], "not a training function"),
        ([AUCTION, "--policy", f"{HERE}:training"], "not a training function"),
        ([CELL_FREE, "--policy", "model.zip", "--library", f"{HERE}:Model"], "does not exist"),
        ([CELL_FREE, "--library", f"{HERE}:Model"], "must come with a policy"),
        ([CELL_FREE, "--policy", f"{HERE}:WrongShape", "--set", "preset=small"], "action has shape (3,): must be (5,)"),
        ([CELL_FREE, "--opponents", "greedy"], "only RISAuction-v0 has them"),
        ([AUCTION, "--opponents", "gredy"], "did you mean 'greedy'"),
        ([AUCTION, "--policy", f"{HERE}:halves"], f"the bidder '{HERE}:halves': action has type float64"),
        ([AUCTION, "--opponents", f"{HERE}:halves"], f"the bidder '{HERE}:halves': action has type float64"),
        ([AUCTION, "--opponents", "greedy", "silent"], "must be one, or one for each of 1"),
        ([CELL_FREE, "--sensitivity-of", "10"], "sensitivity_of=10: must be None, or a user from 0 to 9"),
        ([AUCTION, "--sensitivity-of", "0"], "sensitivity_of=0: must be left out"),
        ([CELL_FREE, "--episodes", "0"], "must be at least 1"),
        ([CELL_FREE, "--seed", "-1"], "must not be negative"),
        ([CELL_FREE, "--fps", "0"], "must be from 1 to 50"),
        ([CELL_FREE, "--out", "show.avi"], ".gif or .mp4"),
        ([CELL_FREE, "--out", "no_such_folder/show.gif"], "no folder 'no_such_folder'"),
    ],
)
def test_what_does_not_exist_is_refused_kindly(tmp_path, monkeypatch, capsys, arguments, said):
    out = [] if "--out" in arguments else ["--out", tmp_path / "show.gif"]
    assert said in refusal(capsys, *arguments, *out)


def test_a_folder_in_place_of_the_file_is_refused_before_anything_is_played(tmp_path, capsys):
    out = tmp_path / "show.gif"
    out.mkdir()
    assert "must be a file, and is a folder" in refusal(capsys, CELL_FREE, "--set", *SMALL[CELL_FREE], "--out", out)


def test_where_there_is_no_screen_a_file_is_suggested(monkeypatch, capsys):
    import pygame

    def fail(size):
        raise pygame.error("No available video device")

    monkeypatch.setattr(pygame.display, "set_mode", fail)
    assert "--out FILE.gif" in refusal(capsys, CELL_FREE, "--set", *SMALL[CELL_FREE])


@pytest.mark.parametrize(
    ("missing", "out"),
    [("pygame", None), ("pygame", "a.gif"), ("PIL.Image", "a.gif"), ("moviepy.video.io.ffmpeg_writer", "a.mp4")],
)
def test_a_missing_extra_is_named(tmp_path, monkeypatch, capsys, missing, out):
    monkeypatch.setitem(sys.modules, missing, None)
    target = [] if out is None else ["--out", tmp_path / out]
    assert 'pip install "cfenvs[render]"' in refusal(capsys, CELL_FREE, *target)


def test_a_policy_s_own_error_keeps_its_traceback(tmp_path):
    with pytest.raises(ValueError, match="a slip of its author"):
        main(["play", CELL_FREE, "--policy", f"{HERE}:Broken", "--out", str(tmp_path / "a.gif")])


def test_the_list_names_all_controllers(capsys):
    main([])
    text = capsys.readouterr().out
    sections = dict(zip(CONTROLLERS, re.split(r"\n\n", text)[1:], strict=True))
    for env_id, section in sections.items():
        assert section.startswith(env_id)
        assert set(re.findall(r"^    (\S+)", section, re.MULTILINE)) >= set(CONTROLLERS[env_id])
        assert FIRST_LOOK[env_id] in CONTROLLERS[env_id]


def test_a_notebook_shows_an_episode_in_place_as_the_file_would(tmp_path, capsys):
    settings = {"controller": "full-power", "seed": 3, "env_kwargs": {"preset": "small", "episode_length": 3}}
    shown_here = animation(CELL_FREE, fps=5, **settings)
    printed = capsys.readouterr().out
    perform(Performance(CELL_FREE, **settings), tmp_path / "same.gif", fps=5)
    assert capsys.readouterr().out == printed
    assert shown_here.gif == (tmp_path / "same.gif").read_bytes()
    (encoded,) = re.findall(r'^<img src="data:image/gif;base64,(\S+)">$', shown_here._repr_html_())
    assert base64.b64decode(encoded) == shown_here.gif


def test_a_notebook_shows_a_policy_that_was_made_there(capsys):
    class Mine:
        name, information, action_type = "mine", "none", "continuous"

        def act(self, observations, infos):
            return np.full((len(observations), 5), 0.5)

    kwargs = {"preset": "small", "episode_length": 3}
    assert animation(CELL_FREE, policy=Mine(), seed=1, env_kwargs=kwargs).gif
    protocol = Protocol(env_id=CELL_FREE, env_kwargs=kwargs, first_scenario=1, num_scenarios=1)
    assert f"mean reward {evaluate(Mine(), protocol).reward[0]:.3f}" in capsys.readouterr().out
    assert animation(AUCTION, policy=lambda seen, masks, rng: np.zeros_like(masks), env_kwargs={"surfaces": 3}).gif
    assert "0 won" in capsys.readouterr().out


def test_a_picture_is_what_render_returns():
    for make, index in ((gym.make, ...), (lambda *args, **kwargs: gym.make_vec(*args, 2, **kwargs), 0)):
        env = make(CELL_FREE, preset="small", render_mode="rgb_array")
        env.reset(seed=0)
        np.testing.assert_array_equal(np.asarray(picture(env)), np.asarray(env.render())[index])
    with (
        pytest.raises(ValueError, match='must be made with render_mode="rgb_array"'),
        pytest.warns(UserWarning, match="render"),
    ):
        picture(gym.make(CELL_FREE, preset="small").unwrapped)
