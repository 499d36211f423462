"""What happened in a run, told from its stored events: when, for how long, and in which words."""

from .finding import find_run as find_run
from .story import RunStory as RunStory
from .story import run_story as run_story
