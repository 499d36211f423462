"""What people see: pages, static files, and the management commands that need to see everything."""
