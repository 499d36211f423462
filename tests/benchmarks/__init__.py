"""`make bench`: measures the whole path with real servers and worker processes, prints a table, checks nothing."""
