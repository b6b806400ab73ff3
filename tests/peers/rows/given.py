"""Settings and places that many rows have."""

__all__ = ["ADAM", "DECOUPLED", "L2", "NO_EPS", "SGD", "K", "T"]

K = "pytorch_optimizer:"
T = "timm.optim:"

# other values than the defaults, so that each setting shows
ADAM = {"lr": 0.01, "betas": (0.8, 0.95), "weight_decay": 0.1}
SGD = {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1}

# where one adds eps to another scale of the root than the other
NO_EPS = {**ADAM, "eps": 1e-14}

# ours and theirs, of the same decay
DECOUPLED = {"ours": {"decoupled_weight_decay": True}, "theirs": {"weight_decouple": True}}
L2 = {"theirs": {"weight_decouple": False}}
