"""The one exception that the command line turns into a sentence and exit code 2."""

__all__ = ["UserError"]


class UserError(Exception):
    """A request that cannot be met as it stands; its text is one sentence for the user."""
