"""What is timed on torch: our optimizers, torch's forms of them, and torch's own stream."""

__all__: list[str] = []
