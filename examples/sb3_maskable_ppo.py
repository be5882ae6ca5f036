"""sb3-contrib's MaskablePPO bids for six surfaces against a bidder that needs no training, bids that count only."""

import gymnasium as gym
from sb3_contrib import MaskablePPO

from cfenvs.adapters.sb3 import SB3VecEnv
from cfenvs.evaluation import Protocol, evaluate
from cfenvs.ris_auction import play

ID, KWARGS = "RISAuction-v0", {"surfaces": 6, "opponents": "straightforward"}
env = SB3VecEnv(gym.make_vec(ID, 64, autoreset_mode="SameStep", **KWARGS))
model = MaskablePPO("MlpPolicy", env, 1e-3, n_steps=32, batch_size=512, gamma=1.0, seed=0, device="cpu")
model.learn(32_000)


class Trained:
    name, information = "MaskablePPO", "decentralised"

    def act(self, observations, infos):
        masks = infos["action_mask"].reshape(len(observations), -1)
        return model.predict(observations, action_masks=masks, deterministic=True)[0]


learned = evaluate(Trained(), Protocol(env_id=ID, env_kwargs=KWARGS, num_scenarios=50)).reward.mean()
random, rival = (
    play([bidder, "straightforward"], 50, seed=1_000_000, surfaces=6).reward[:, 0].mean()
    for bidder in ("random", "straightforward")
)
print(f"reward on 50 held-out networks: MaskablePPO {learned:.3f}, random {random:.3f}, the rival itself {rival:.3f}")
