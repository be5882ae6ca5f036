"""Trained bidders of the auction, the adapter that they learn through, and the figures made of them."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from baselines.ppo_bidder import Args, Population, TrainedBidder, _Learner, train  # noqa: E402
from cfenvs.adapters.sb3 import SB3AgentsVecEnv  # noqa: E402
from cfenvs.evaluation.protocol import HELD_OUT, VALIDATION  # noqa: E402
from cfenvs.ris_auction import FrozenBidder, Seat, Straightforward, parallel_vec_env, play  # noqa: E402
from tests.baselines.test_common import interrupted  # noqa: E402

FEW = {"surfaces": 6}
TINY = Args(env_kwargs=FEW, steps=128, segments=4, num_envs=4, rollout=4, batch_size=16, epochs=2)
OPPONENTS = ["self", "separate", "population", "straightforward"]


def weights(bidders):
    return [tensor for bidder in bidders for tensor in bidder.policy.state_dict().values()]


def same(some, others):
    return all(torch.equal(one, other) for one, other in zip(weights(some), weights(others), strict=True))


# The learner


@pytest.mark.parametrize("opponent", OPPONENTS)
def test_equal_arguments_give_equal_bits_and_another_seed_others(opponent):
    args = replace(TINY, opponent=opponent)
    first = train(args, progress=False)
    assert len(first) == (2 if opponent == "separate" else 1)
    assert same(first, train(args, progress=False))
    assert not same(first, train(replace(args, seed=1), progress=False))


@pytest.mark.parametrize("opponent", OPPONENTS)
def test_an_interrupted_training_resumes_to_the_bits_of_an_uninterrupted_one(opponent, tmp_path):
    args = replace(TINY, opponent=opponent)
    interrupted(train, replace(args, folder=tmp_path), after=2)
    resumed = train(replace(args, folder=tmp_path, resume=True, threads=2), progress=False)
    assert same(resumed, train(args, progress=False))
    again = train(replace(args, folder=tmp_path, resume=True), progress=False)  # nothing is left to do
    assert same(resumed, again)
    assert again[0].training_time == pytest.approx(resumed[0].training_time, abs=1.0)


@pytest.mark.parametrize(
    ("opponent", "other", "information"),
    [
        ("self", None, "CTDE"),
        ("separate", None, "decentralised"),
        ("population", None, "decentralised"),
        ("straightforward", None, "decentralised"),
        ("self", Straightforward(), "decentralised"),
    ],
)
def test_only_self_play_learns_from_what_all_seats_see(opponent, other, information, tmp_path):
    args = replace(TINY, opponent=opponent, steps=32, segments=1, folder=tmp_path)
    bidders = train(args, progress=False, opponent=other)
    bidders.append(TrainedBidder.load(tmp_path / "checkpoint.pt"))
    assert {bidder.information for bidder in bidders} == {information}


def test_no_seed_trains_on_networks_that_are_evaluated_on(monkeypatch):
    """Segments times streams times this seed is the first validation network."""
    started, reset = [], SB3AgentsVecEnv.reset
    monkeypatch.setattr(SB3AgentsVecEnv, "reset", lambda self: started.extend(self._seeds) or reset(self))
    train(replace(TINY, seed=VALIDATION // (TINY.segments * 2 * TINY.num_envs)), progress=False)
    assert len(started) == TINY.segments * 2 * TINY.num_envs
    assert max(started) < VALIDATION


@pytest.mark.parametrize("preset", ["default", "gambling2024"])
def test_learners_never_bid_where_a_bid_would_not_count(preset, monkeypatch):
    """Neither while they explore, nor when judged: not one of thousands of bids is refused."""
    bids = refused = 0
    step = SB3AgentsVecEnv.step_async

    def watched(self, actions):
        nonlocal bids, refused
        may = self.env.action_masks().reshape(*actions.shape, 2)[..., 1]
        bids, refused = bids + actions.sum(), refused + (actions.astype(bool) & ~may).sum()
        step(self, actions)

    monkeypatch.setattr(SB3AgentsVecEnv, "step_async", watched)
    (bidder,) = train(replace(TINY, preset=preset, env_kwargs={}, steps=1024), progress=False)
    assert bids > 1000
    assert refused == 0
    seen = []

    def spied(observations, masks, rng):
        seen.append((bidder(observations, masks, rng), masks.copy()))
        return seen[-1][0]

    play([spied, "greedy"], 20, preset=preset)
    assert any(made.any() for made, _ in seen)
    assert not any((made & ~masks).any() for made, masks in seen)


def test_a_best_response_to_silence_takes_nearly_everything_at_once():
    """Nobody else bids, so that all is for free in the first round; what is left out is worth less than 2 %."""
    args = Args(env_kwargs=FEW, steps=6000, segments=2, num_envs=32, rollout=8, batch_size=128, learning_rate=1e-2)
    (bidder,) = train(args, progress=False, opponent=lambda observations, masks, rng: np.zeros_like(masks))
    for first in (HELD_OUT, 700_000):
        mine = play([bidder, "silent"], 50, seed=first, **FEW)
        everything = play(["always", "silent"], 50, seed=first, **FEW)
        assert mine.reward[:, 0].mean() > 0.98 * everything.reward[:, 0].mean()
        assert mine.revenue.max() < 0.2


def test_training_against_a_fixed_opponent_leaves_it_alone():
    (frozen,) = train(TINY, progress=False)
    before = [tensor.clone() for tensor in weights([frozen])]
    (reply,) = train(replace(TINY, seed=3), progress=False, opponent=frozen)
    assert all(torch.equal(one, other) for one, other in zip(before, weights([frozen]), strict=True))
    assert not same([frozen], [reply])


def test_one_policy_plays_any_budget_and_either_seat():
    """Money is observed in shares of the own budget: ten times the money, values and prices change nothing."""
    (bidder,) = train(TINY, progress=False)
    assert isinstance(bidder, TrainedBidder)
    rivals = [bidder, Straightforward()]
    small = play(rivals, 20, **FEW, increment=0.05)
    large = play(rivals, 20, **FEW, increment=0.5, budgets=10.0)
    np.testing.assert_allclose(large.reward, small.reward, atol=1e-9)
    np.testing.assert_allclose(large.revenue, 10 * small.revenue, atol=1e-9)
    unequal = play(rivals, 20, **FEW, budgets=[4.0, 1.0])
    assert (unequal.cost <= 1.0 + 1e-9).all()


def test_one_policy_learns_for_budgets_that_are_drawn():
    """A rich and a poor bidder learn as one. Here there are few surfaces, and being poor says that all will be lost."""
    kwargs = {**FEW, "budget_range": (0.05, 8.0), "budget_share": True, "reward_unit": "budget"}
    args = Args(env_kwargs=kwargs, steps=8000, segments=2, num_envs=64, rollout=8, batch_size=128, learning_rate=1e-2)
    (bidder,) = train(args, progress=False)
    outcomes = play(bidder, 100, seed=700_000, **FEW, budgets=[8.0, 1.0], budget_share=True)
    assert (outcomes.cost <= 1.0 + 1e-9).all()
    assert outcomes.won[:, 0].mean() > outcomes.won[:, 1].mean() + 1.0


# The adapter


def test_a_population_shares_the_worlds_between_its_members():
    """Each meets one rival for good, which sees its own seat only, and copies share nothing."""

    class Marks:
        def __init__(self, surface):
            self.surface, self.seat = surface, None

        def attach(self, seat):
            self.seat = seat

        def __call__(self, observations, masks, rng):
            assert self.seat is not None
            return np.arange(masks.shape[1]) == np.full((len(masks), 1), self.surface)

    members = [Marks(0), lambda observations, masks, rng: np.zeros_like(masks), Marks(2)]
    population = Population(members)
    env = gym.make_vec("RISAuction-v0", 7, opponents=population, surfaces=4)
    assert [member.seat for member in (members[0], members[2])] == [None, None]
    env.reset(seed=0)
    env.step(np.zeros((7, 4), int))
    for world, owner in enumerate(env.unwrapped.simulator.owner):
        expected = np.full(4, -1)
        if world % 3 != 1:
            expected[world % 3] = 1
        assert owner.tolist() == expected.tolist()


def test_a_population_holds_the_policy_as_it_was_a_segment_before(monkeypatch):
    met = []
    monkeypatch.setattr(_Learner, "learn", lambda learner, position: met.append(learner) or 0.0)
    (bidder,) = train(replace(TINY, opponent="population", rivals=("self", "greedy")), progress=False)
    learner = met[0]
    assert learner.rival.policy is not learner.model.policy
    assert same([bidder], [learner.rival])
    with torch.no_grad():
        next(learner.model.policy.parameters()).add_(1.0)
    assert not same([bidder], [learner.rival])
    learner.meet(learner.model.policy.state_dict())
    assert same([bidder], [learner.rival])


def test_what_is_exported_scores_as_the_policy_does(tmp_path):
    """In float64 and without torch: the same log-odds within single precision, so the same bids but next to zero."""
    (bidder,) = train(replace(TINY, steps=512, env_kwargs={}), progress=False)
    bidder.export(tmp_path / "weights.npz", "a test")
    frozen = FrozenBidder(tmp_path / "weights.npz")
    assert frozen.provenance == "a test"
    env = parallel_vec_env(50)
    frozen.attach(Seat(env.simulator, 0))
    observations, infos = env.reset(seed=VALIDATION)
    for _ in range(3):
        seen, masks = observations[:, 0], infos["action_mask"][:, 0, :, 1].astype(bool)
        with torch.no_grad():
            scores = bidder.policy.mlp_extractor.forward_actor(torch.as_tensor(seen)).numpy()
        assert masks.any()
        np.testing.assert_allclose(frozen.scores(seen)[masks], scores[masks], atol=1e-4)
        clear = np.abs(scores) > 1e-3
        assert (frozen(seen, masks, None) == bidder(seen, masks, None))[clear].all()
        observations, _, _, _, infos = env.step(np.ones((50, 2, 20), bool))


@pytest.mark.parametrize("options", [{"network": "mlp"}, {"env_kwargs": {"information": "demand"}}])
def test_a_network_of_another_kind_is_not_exported(options, tmp_path):
    (bidder,) = train(replace(TINY, **options), progress=False)
    with pytest.raises(ValueError, match="must be the shared one, of values, price and budget alone"):
        bidder.export(tmp_path / "weights.npz", "")
    assert not list(tmp_path.iterdir())


def test_streams_are_the_agents_of_the_worlds():
    """Agent a of world e is environment e A + a; observations, rewards and masks are those of the batched face."""
    kwargs = {"preset": "three-operators", "autoreset_mode": "SameStep"}
    plain, venv = parallel_vec_env(4, **kwargs), SB3AgentsVecEnv(parallel_vec_env(4, **kwargs))
    venv.seed(700_000)
    seen = venv.reset()
    observations, infos = plain.reset(seed=[700_000 + 3 * world for world in range(4)])
    rng, ended = np.random.default_rng(0), 0
    for _ in range(40):
        np.testing.assert_array_equal(seen, observations.reshape(12, -1))
        masks = np.array(venv.env_method("action_masks")).reshape(12, -1, 2)
        np.testing.assert_array_equal(masks[..., 1], infos["action_mask"].reshape(12, -1, 2)[..., 1])
        actions = (masks[..., 1] & (rng.random(masks.shape[:2]) < 0.7)).astype(np.int8)
        seen, rewards, dones, streams = venv.step(actions)
        observations, expected, terminated, truncated, infos = plain.step(actions.reshape(4, 3, -1))
        np.testing.assert_allclose(rewards, expected.reshape(-1), rtol=1e-6)
        np.testing.assert_array_equal(dones, (terminated | truncated).repeat(3))
        for stream in np.flatnonzero(dones):
            ended += 1
            last = infos["final_obs"][stream // 3][stream % 3]
            np.testing.assert_array_equal(streams[stream]["terminal_observation"], last)
            assert streams[stream]["TimeLimit.truncated"] is False
    assert ended >= 12
    assert venv.num_envs == 12


def test_an_auction_that_is_cut_off_is_told_from_one_that_is_over():
    venv = SB3AgentsVecEnv(parallel_vec_env(2, autoreset_mode="SameStep", max_rounds=2))
    venv.seed(700_000)
    venv.reset()
    for _ in range(2):
        masks = np.array(venv.env_method("action_masks")).reshape(4, -1, 2)
        _, _, dones, streams = venv.step(masks[..., 1].astype(np.int8))
    assert dones.all()
    assert all(stream["TimeLimit.truncated"] for stream in streams)


def test_another_autoreset_mode_is_refused():
    with pytest.raises(ValueError, match='autoreset_mode="SameStep"'):
        SB3AgentsVecEnv(parallel_vec_env(2))


# The figures


def test_rows_keep_both_seats_and_the_networks_of_all_figures(tmp_path):
    from benchmarks.figures.auction import both_seats, efficient, held_out

    kwargs = {"preset": "gambling2024"}
    mixed = both_seats("greedy", "straightforward", 30, **kwargs)
    rival = both_seats("straightforward", "greedy", 30, **kwargs)
    one, other = (
        held_out(pair, 30, **kwargs) for pair in (["greedy", "straightforward"], ["straightforward", "greedy"])
    )
    total = (one.reward + other.reward).sum(axis=1) / 2
    np.testing.assert_allclose(mixed["reward"] + rival["reward"], total, rtol=1e-12)
    assert (mixed["reward"] != rival["reward"]).any()
    welfare, vcg = efficient("three-operators", 2, tmp_path)
    kept = efficient("three-operators", 2, tmp_path)
    assert (kept[0] == welfare).all()
    assert (kept[1] == vcg).all()
    for bidder in ("greedy", "straightforward"):
        for rule in ("drop", "previous-bidder", "reoffer"):
            assert (held_out(bidder, 2, preset="three-operators", unsold_rule=rule).welfare <= welfare + 1e-9).all()


def test_an_auction_cut_off_after_more_and_more_rounds_comes_to_the_whole_one():
    from benchmarks.figures import auction_rounds
    from cfenvs.ris_auction import Greedy

    bidder = Greedy()
    course = auction_rounds.course(bidder, bidder, 30)
    for metric in ("utility", "cost"):
        assert (np.diff(course[metric], axis=0) >= -1e-12).all()
        np.testing.assert_allclose(course[metric][-2], course[metric][-1], atol=1e-12)  # greedy is done by then
    np.testing.assert_allclose(course["reward"], course["utility"] - course["cost"], atol=1e-12)


def test_the_reply_that_counts_is_the_one_chosen_on_validation_networks():
    """Even where another one is better on the networks that are reported."""
    from benchmarks.figures.auction_crossplay import Matrix

    rewards = np.zeros((2, 2, 3))
    rewards[:, 0], rewards[:, 1] = [[1, 2, 3], [3, 3, 3]], [[5, 5, 5], [4, 4, 4]]
    replies = [np.array([[2.0, 3.0, 4.0], [9.0, 9.0, 9.0]]), np.array([[7.0, 7.0, 7.0]])]
    chosen = {"best_row": np.array([1, 0]), "best_reply": np.array([0, 0])}
    table = Matrix(["a", "b"], rewards, replies, trained=np.array([True, False]), **chosen)
    np.testing.assert_array_equal(table.own, [[1, 2, 3], [4, 4, 4]])
    reply, row, better = table.gains(0)
    np.testing.assert_array_equal([reply, row, better], [[1, 1, 1], [2, 1, 0], [1, 1, 1]])
    np.testing.assert_array_equal(table.gains(1)[2], [1, 1, 1])  # row a, not the reply


def test_validation_networks_are_neither_trained_on_nor_reported():
    """A segment's worlds are seeded one after the other, from its number times their number."""
    from benchmarks.figures.auction import Size, both_seats
    from benchmarks.figures.auction_crossplay import replies_of

    size = Size()
    last = replies_of(size)[-1]
    trained_on = (last.seed + 1) * last.segments * last.num_envs
    assert trained_on < VALIDATION < VALIDATION + size.networks <= HELD_OUT
    here, there = (both_seats("greedy", "greedy", 20, seed)["reward"] for seed in (VALIDATION, HELD_OUT))
    assert (here != there).any()


def test_smoke_figures_come_out_whole_and_share_their_policies(tmp_path):
    """Smoke: all quick forms run. What one has trained, the others read."""
    from benchmarks.figures import maker

    runs = {}
    for name in ("budgets", "rounds", "rules", "complements", "aggressiveness", "crossplay"):
        maker(f"auction-{name}")(tmp_path / name, quick=True)
        for suffix in (".png", ".md", ".csv"):
            assert (tmp_path / f"{name}{suffix}").stat().st_size > 500
        runs[name] = len(list((tmp_path / "auction-policies").glob("*/run.json")))
    replies = 2 * 7  # to six bidders and one policy, in two presets
    assert list(runs.values()) == [6, 6, 7, 8, 11, 11 + replies]
