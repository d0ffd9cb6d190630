"""The pages of a served model: drop a picture and see what it says, or begin a text and see it go on.

Each is one file, and makes no request to anywhere else.
"""

import re
import secrets
from html import escape
from importlib.resources import files


def picture_page(title: str, about: str, example: str) -> tuple[str, dict[str, str]]:
    """The page, and the headers that keep everything out of it but its own script and style.

    >>> page, headers = picture_page("<lenet>", "trained on digits", "curl ...")
    >>> "<h1>&lt;lenet&gt;</h1>" in page, headers["Content-Security-Policy"][:19]
    (True, "default-src 'none';")
    """
    return _page("page.html", title, about, example)


def text_page(title: str, about: str, example: str) -> tuple[str, dict[str, str]]:
    """The same for a model that writes."""
    return _page("writing.html", title, about, example)


def _page(file: str, title: str, about: str, example: str) -> tuple[str, dict[str, str]]:
    nonce = secrets.token_urlsafe(16)
    words = {"title": title, "about": about, "example": example, "nonce": nonce}
    form = files("learnable.serve").joinpath(file).read_text(encoding="utf-8")
    page = re.sub(r"@(title|about|example|nonce)@", lambda found: escape(words[found[1]]), form)
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page, {
        "Content-Security-Policy": policy, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }  # fmt: skip
