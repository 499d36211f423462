"""What the pages read. Every function filters by `visible_to(user)` and makes a fixed number of queries."""
