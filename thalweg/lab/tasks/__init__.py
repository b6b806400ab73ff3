"""What optimizers are compared on: data and networks that come along, or the user's own task."""

__all__: list[str] = []
