"""Requests as programs send them: bodies of OpenAI's API, read into what a run asks of a model."""
