"""The OpenAI-compatible face, mounted at `/v1/`: what the unmodified `openai` client speaks."""
