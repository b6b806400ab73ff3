"""Models, losses and optimizers of the lab, once for each framework: `torch` and `mytorch`."""

__all__: list[str] = []
