"""The icons: strokes on a grid of 24, drawn for these pages."""

ICONS = {
    "overview": '<path d="M4 4h7v9H4zM13 4h7v5h-7zM13 11h7v9h-7zM4 15h7v5H4z"/>',
    "agents": '<path d="M12 3v3M6 9a3 3 0 0 1 3-3h6a3 3 0 0 1 3 3v7a3 3 0 0 1-3 3H9a3 3 0 0 1-3-3zM3 11v4M21 11v4M10 12h0M14 12h0M10 16h4"/>',  # noqa: E501
    "batches": '<path d="m12 3 9 5-9 5-9-5zM3 12l9 5 9-5M3 16l9 5 9-5"/>',
    "runs": '<path d="M7 4.5v15l12-7.5z"/>',
    "workers": '<path d="M3 12h4l3-8 4 16 3-8h4"/>',
    "admin": '<path d="M12 3l8 3v6c0 5-3.5 8-8 9-4.5-1-8-4-8-9V6z"/>',
    "theme": '<path d="M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18"/>',
    "sign-out": '<path d="M14 4h4a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2h-4M10 8l-4 4 4 4M6 12h9"/>',
    "download": '<path d="M12 4v11M7 11l5 5 5-5M5 20h14"/>',
    "next": '<path d="m9 6 6 6-6 6"/>',
    "tree": '<path d="M12 21v-7M12 14c-4 0-7-2.5-7-6 2-3.5 4.5-5 7-5s5 1.5 7 5c0 3.5-3 6-7 6zM12 14l3.5-3.5M12 11 9.5 8.5"/>',  # noqa: E501
    "neutral": '<circle cx="12" cy="12" r="7"/>',
    "running": '<path d="M12 5a7 7 0 1 1-6.5 4.4"/>',
    "waiting": '<path d="M12 5v7l4 3"/><circle cx="12" cy="12" r="9"/>',
    "good": '<path d="m5 13 4.5 4.5L19 7"/>',
    "bad": '<path d="M7 7l10 10M17 7 7 17"/>',
    "paused": '<path d="M9 6v12M15 6v12"/>',
    "muted": '<path d="M6 12h12"/>',
}
