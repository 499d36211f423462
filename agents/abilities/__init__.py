"""What an agent can do beside answering: tools, one file each."""
