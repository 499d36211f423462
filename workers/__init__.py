"""How work is executed: Redis, queues, retries, the asyncio engine, embedded servers. Knows no domain."""
