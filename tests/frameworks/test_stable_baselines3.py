"""stable-baselines3 learns with an optimizer of ours as with torch's."""

import pytest
import torch

import thalweg.optim as optim
from tests.frameworks.made import flat

sb3 = pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

ALGORITHMS = {
    "PPO": ("CartPole-v1", {"n_steps": 64, "batch_size": 32}, 192),
    "A2C": ("CartPole-v1", {"n_steps": 16}, 160),
    "DQN": ("CartPole-v1", {"learning_starts": 32, "train_freq": 4, "batch_size": 16}, 128),
    "SAC": ("Pendulum-v1", {"learning_starts": 32, "batch_size": 16}, 64),
}


def learned(algorithm, make, settings):
    name, more, steps = ALGORITHMS[algorithm]
    torch.manual_seed(0)
    policy = {"optimizer_class": make, "optimizer_kwargs": settings, "net_arch": [16, 16]}
    model = getattr(sb3, algorithm)(
        "MlpPolicy", name, policy_kwargs=policy, seed=0, device="cpu", **more
    )
    return model.learn(steps)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_learns_what_it_learns_with_torch(algorithm):
    settings = {"eps": 1e-5}
    ours, torchs = (learned(algorithm, one.Adam, settings) for one in (optim, torch.optim))
    torch.testing.assert_close(flat(ours.policy), flat(torchs.policy), rtol=1e-3, atol=1e-4)


def test_a_model_that_is_saved_and_loaded_goes_on(tmp_path):
    model = learned("PPO", optim.Ranger, {"k": 5})
    model.save(tmp_path / "model")
    again = sb3.PPO.load(tmp_path / "model", env=model.get_env())
    assert isinstance(again.policy.optimizer, optim.Ranger)
    assert torch.equal(flat(again.policy), flat(model.policy))
    own, loaded = (one.policy.optimizer.state_dict()["state"] for one in (model, again))
    assert all(torch.equal(own[0][key], loaded[0][key]) for key in own[0])
    again.learn(64)
