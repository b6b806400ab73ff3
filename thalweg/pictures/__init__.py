"""Every picture there is. Imports matplotlib, so whoever draws imports it when it does."""

__all__: list[str] = []
