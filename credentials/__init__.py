"""Who may do what with which keys: users, API tokens, provider credentials, model limits and prices."""
