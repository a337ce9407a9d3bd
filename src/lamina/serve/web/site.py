"""The pages over HTTP: which page, who may see it, how it is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lamina.errors import Denied, Error, Unavailable
from lamina.serve import errors
from lamina.serve.access import Access, InThread
from lamina.serve.answer import Answer, of_bytes
from lamina.serve.errors import NotHere, Unauthorized, WrongMethod
from lamina.serve.http.asgi import Receive, Scope, Send
from lamina.serve.http.threads import Threads
from lamina.serve.http.waits import in_thread
from lamina.serve.request import NOBODY, Gone, Request
from lamina.serve.rights import Action
from lamina.serve.web.ahead import Ahead
from lamina.serve.web.links import Query
from lamina.serve.web.looks import ENTRIES, Looks
from lamina.serve.web.memo import Memo
from lamina.serve.web.pages import Desk, Page, compare, document, file, find, image, images, waste
from lamina.serve.web.shelf import Analyst, Compared, Shelf

_THREADS = 4  # for pages: what takes long in them must not keep blobs waiting
_PAGES: dict[str, Callable[[Desk, Query], Page | Answer]] = {
    "": images.images,
    "tags": images.tags,
    "image": image.image,
    "file": file.file,
    "raw": file.raw,
    "find": find.find,
    "waste": waste.waste,
    "compare": compare.compare,
    "document": document.document,
    "bare": document.bare,
    "signatures": document.signatures,
}
_STATIC = {
    "style.css": "text/css; charset=utf-8",
    "script.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_REFERENCES = ("ref", "one", "two")  # fields of a query that name images
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "private, no-cache",
}


class Site:
    """All pages of one shelf. Without `access` everything may be seen by whoever can ask."""

    def __init__(
        self,
        shelf: Shelf,
        analyst: Analyst,
        *,
        access: Access | None = None,
        entries: int = ENTRIES,
    ) -> None:
        self._shelf = shelf
        self._analyst = analyst
        self._access = access
        self._looks = Looks(entries=entries)
        self._ahead = Ahead(shelf, entries)
        self._compared: Memo[Compared] = Memo()
        self.threads = Threads(_THREADS, "pages")

    async def answer(self, request: Request, path: str, in_judge: InThread) -> Answer:
        """The page at `path`, which begins behind the place where the pages are."""
        try:
            found = await self._page(request, path, in_judge)
        except Error as error:
            found = await self._in_thread(self._refused, error)
        found.headers.update(_HEADERS)
        return found

    def prepare(self, reference: str) -> None:
        """Look ahead at an image, so that its first page need not wait; returns at once."""
        self._ahead.put(reference)

    def close(self) -> None:
        """Let go of the threads."""
        self._ahead.close()
        self.threads.close()
        self._shelf.close()

    async def _page(self, request: Request, path: str, in_judge: InThread) -> Answer:
        if request.method not in ("GET", "HEAD"):
            raise WrongMethod(request.method, "GET, HEAD")
        if path in _STATIC:
            return of_bytes(200, _static(path), _STATIC[path])
        make = _PAGES.get(path)
        if make is None:
            raise NotHere("no page is here")
        query = Query(request.scope["query_string"])
        access = self._access
        if access is not None:
            request.caller = await access.caller(request, in_judge)
            if path in ("", "compare"):
                access.require_catalog(request, request.caller)
            for name in self._holders(query, path):
                access.require(request, request.caller, name, Action.PULL)
        caller = request.caller if access is not None else NOBODY
        may_see = (lambda name: access.may_see(caller, name)) if access else (lambda name: True)
        desk = Desk(self._shelf, self._analyst, self._looks, self._compared, may_see)
        return await self._in_thread(_made, make, desk, query)

    def _holders(self, query: Query, path: str) -> list[str]:
        """The repositories of which something is asked for."""
        found = [query.text("repository")] if path == "tags" else []
        for field in _REFERENCES:
            reference = query.text(field).strip()
            holder = self._shelf.holder(reference) if reference else None
            if holder is not None:
                found.append(holder)
        return found

    def _refused(self, error: Error) -> Answer:
        """The page that says what is wrong."""
        told = errors.refusal(error)
        # What is wrong with an image is what people look for. What is wrong with this machine is
        # for its log, where strangers ask.
        is_ours = isinstance(error, Unavailable) and self._access is not None
        message = "the registry has failed: try again later" if is_ours else error.message
        hint = None if is_ours else error.hint
        values = {"message": message, "hint": hint, "page": "error"}
        found = _rendered(Page("error.html", values, told.status))
        if isinstance(error, Unauthorized):
            # Browsers know passwords, and no tokens.
            if self._access is None or self._access.passwords is None:
                denied = Denied("these images need a token, which a browser cannot get")
                return self._refused(denied)
            realm = self._access.service
            found.headers["www-authenticate"] = f'Basic realm="{realm}", charset="UTF-8"'
        elif isinstance(error, WrongMethod):
            found.headers["allow"] = error.allowed
        return found

    async def _in_thread(self, work: Callable[..., Answer], *values: object) -> Answer:
        return await in_thread(self.threads, work, *values)


class Alone:
    """The pages and nothing else, as an ASGI application."""

    def __init__(
        self,
        site: Site,
        *,
        hosts: Callable[[str], bool] = lambda host: True,
        failed: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self._site = site
        self._hosts = hosts
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        if self._hosts(request.host):
            try:
                answer = await self._site.answer(request, request.path.lstrip("/"), _nobody)
            except Error as error:
                answer = errors.answer(error)
            except Exception as error:  # noqa: BLE001  # a fault of ours must not end the others
                self._failed(error)
                answer = errors.unexpected()
        else:
            # A name that another's page has pointed at this machine (DNS rebinding).
            text = b"these pages are not known by that name\n"
            answer = of_bytes(421, text, "text/plain; charset=utf-8")
        if request.has_body:
            answer.headers["connection"] = "close"
        try:
            await answer.send(scope, send, self._site.threads, is_head=request.method == "HEAD")
        except Gone:
            pass

    def close(self) -> None:
        self._site.close()


async def _nobody(*values: object) -> bool:
    return False


def _made(make: Callable[[Desk, Query], Page | Answer], desk: Desk, query: Query) -> Answer:
    found = make(desk, query)
    return found if isinstance(found, Answer) else _rendered(found)


def _rendered(page: Page) -> Answer:
    # Nothing that was not spelled out gets here; if it does, it must not cost the page.
    text = _environment().get_template(page.template).render(page.values)
    body = text.encode("utf-8", "backslashreplace")
    return of_bytes(page.status, body, "text/html; charset=utf-8")


@cache
def _static(name: str) -> bytes:
    return (Path(__file__).parent / "static" / name).read_bytes()


@cache
def _environment() -> Any:
    """Jinja, which only pages need."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from lamina.serve.web import words

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    filters: Mapping[str, Callable[..., object]] = words.FILTERS
    environment.filters.update(filters)
    environment.globals["to"] = words.to
    return environment
