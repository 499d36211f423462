"""The language-model client: one small `Provider` protocol, providers behind it, errors sorted where they are born."""
