"""What every border does, whatever its arrays are: groups, names, filters, averages, copies."""

__all__: list[str] = []
