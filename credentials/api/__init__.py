"""What both faces of the API share, and the native routes of credentials, models and tokens."""
