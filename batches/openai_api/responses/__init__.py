"""OpenAI's Responses API: a request becomes the chat that it stands for, and a run becomes a response."""
