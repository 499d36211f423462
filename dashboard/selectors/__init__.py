"""What the pages read. Every function filters by `visible_to(user)` and makes a fixed number of queries."""

from django.contrib.auth.models import AnonymousUser

from credentials.models import User

Reader = User | AnonymousUser
"""Who looks: the anonymous see nothing."""
