"""What `manage.py doctor` looks at: one check a file or two, each bounded in time, none in need of a server."""
