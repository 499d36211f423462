"""Native routes of agents and their versions, of documents, and of what asks a provider."""
