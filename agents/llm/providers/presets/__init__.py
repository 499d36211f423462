"""Vendors and servers that speak OpenAI's chat completions, each a file: address, dialect, known models, prices.

What a vendor's reference says is taken from it; the link stands in each file. Prices are US dollars per 1,000,000
tokens and change: `manage.py models set` overrides them.
"""
