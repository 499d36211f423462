"""What calls of any provider have in common below the JSON: guarded clients, bounds, streams of events, messages."""
