"""The lab's network and optimizers, once for each framework: `torch` and `mytorch`."""

__all__: list[str] = []
