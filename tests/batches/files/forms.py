"""Multipart forms for tests."""

TYPE = "multipart/form-data; boundary=frontier"
LINES = b'{"custom_id": "1"}\n'


def form_of(*parts: tuple[str, bytes, str | None]) -> bytes:
    """Return the body of a form: (name, value, filename or None) for each part."""
    body = b""
    for name, value, filename in parts:
        file = f'; filename="{filename}"' if filename is not None else ""
        body += f'--frontier\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + value + b"\r\n"
    return body + b"--frontier--\r\n"


def upload_of(content: bytes = LINES, purpose: str = "batch", filename: str = "in.jsonl") -> bytes:
    """Return the body of an upload."""
    return form_of(("purpose", purpose.encode(), None), ("file", content, filename))
