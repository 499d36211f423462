"""What an agent is, and how one runs in memory: versions, prompts, the LLM client, abilities, the runner."""
