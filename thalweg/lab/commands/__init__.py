"""The commands beside `compare` and `landscape`: their options, and how they tell what they found.

What they run is imported when they run, so that the command line starts at once.
"""

__all__: list[str] = []
