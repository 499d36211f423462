"""Webhooks: events noted in the transaction that brings them about, signed, sent by workers and tried for a day."""
