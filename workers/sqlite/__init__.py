"""Django's SQLite backend, with its turn at the one write lock for every process."""
