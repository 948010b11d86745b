"""What no test may see happen in the page, whatever it does there."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request, WebError, WebSocket

OURS = ("jupyter-aml", "/aml/api/")
# Chromium's own line for each answer 400; the page shows what the server refused where the user asked for it.
REFUSED = "the server responded with a status of 400"
# Asking a machine for its host key is answered so: somebody has to confirm it first.
CONFLICT, ATTACH = "the server responded with a status of 409", "/aml/api/v1/computes/attach"


class Witness:
    """Notes dialogs of the browser, requests to other hosts, and errors of our extension in all pages."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self._own = (origin, origin.replace("http:", "ws:"), "data:", "blob:", "about:")
        self._seen: list[str] = []
        context.on("request", self._on_request)
        context.on("console", self._on_console)
        context.on("dialog", self._on_dialog)
        context.on("weberror", self._on_error)
        context.on("page", self._on_page)

    def check(self) -> None:
        """Fail if there was anything."""
        assert not self._seen, "\n".join(["Seen in the browser:", *self._seen])

    def _on_page(self, page: Page) -> None:
        page.on("websocket", self._on_socket)

    def _on_request(self, request: Request) -> None:
        self._note_address(request.url)

    def _on_socket(self, socket: WebSocket) -> None:
        self._note_address(socket.url)

    def _note_address(self, url: str) -> None:
        if not url.startswith(self._own):
            self._seen.append(f"asked {url}")

    def _on_dialog(self, dialog: Dialog) -> None:
        # One for leaving the page is Lab's own: a notebook is not saved.
        if dialog.type != "beforeunload":
            self._seen.append(f"dialog {dialog.message!r}")
        dialog.accept()

    def _on_console(self, message: ConsoleMessage) -> None:
        url = message.location.get("url", "")
        is_question = CONFLICT in message.text and ATTACH in url
        if message.type == "error" and REFUSED not in message.text and not is_question:
            self._note_error(f"{message.text} ({url})")

    def _on_error(self, error: WebError) -> None:
        self._note_error(error.error.stack or error.error.message)

    def _note_error(self, text: str) -> None:
        if any(part in text for part in OURS):
            self._seen.append(f"console: {text}")
