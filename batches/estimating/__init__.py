"""What a batch will take in tokens and money, before it runs: from its prompts alone, or from a pilot of its rows."""
