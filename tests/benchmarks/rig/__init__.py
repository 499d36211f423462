"""What benchmarks and fault injections stand on: a stack of their own a case, rows to run, meters, one table."""
