"""What a user of the console is told to do otherwise."""

from gong_views.errors import GongViewsError


class InputProblem(GongViewsError):
    """What was typed in cannot be used; the text says what is wanted."""
