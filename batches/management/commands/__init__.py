"""`manage.py batches` and `manage.py runs`."""
