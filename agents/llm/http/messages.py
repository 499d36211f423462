"""What a server says, made fit to be shown and stored."""

LONGEST_MESSAGE = 500


def clean_message(text: str, secret: str) -> str:
    """Return `text` fit to be shown and stored: one line, printable, at most 500 characters, without the key."""
    if secret:
        text = text.replace(secret, "[key]")
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 4 * LONGEST_MESSAGE]).split())
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 1] + "…"
