"""torch's place for what is done to gradients: `from thalweg.mytorch.nn.utils import ...`."""

from thalweg.mytorch.nn.clipping import clip_grad_norm_, clip_grad_value_, get_total_norm

__all__ = ["clip_grad_norm_", "clip_grad_value_", "get_total_norm"]
