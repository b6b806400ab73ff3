"""The pictures of a landscape: contours, what moves over them, and basins."""

__all__: list[str] = []
