"""The JavaScript engine: a plan's passes as functions that a browser, or Node, runs as they are."""

__all__: list[str] = []
