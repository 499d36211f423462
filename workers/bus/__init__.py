"""The event bus: what happens is told by who works, and heard by every process that wants to know, through Redis.

Each topic is a Redis stream, trimmed and expiring, beside which every message is published at once. A listener hears
what is published, and reads from the stream what it has missed: before it came, while the connection was lost, or
because it was too slow. The bus carries news, never the truth: whoever needs to be sure looks at the database.
"""
