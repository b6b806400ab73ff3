from thalweg.groups import Lot, lots  # noqa: F401
