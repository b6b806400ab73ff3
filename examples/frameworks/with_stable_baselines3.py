"""PPO on CartPole in stable-baselines3, with an optimizer of thalweg's.

python examples/frameworks/with_stable_baselines3.py
"""

from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy

import thalweg.optim as optim

STEPS = 4_096


def main() -> None:
    policy = {"optimizer_class": optim.Adam, "optimizer_kwargs": {"eps": 1e-5}}
    model = PPO("MlpPolicy", "CartPole-v1", policy_kwargs=policy, seed=0, device="cpu")
    model.learn(STEPS)
    reward, _ = evaluate_policy(model, model.get_env(), n_eval_episodes=5)
    print(f"mean reward {reward:.0f}")


if __name__ == "__main__":
    main()
