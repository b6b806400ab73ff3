"""Where an optimizer's tensors lie in memory, and what can be done with them there."""

__all__: list[str] = []
