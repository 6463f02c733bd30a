"""The local page: what it answers, to whom, and how much it takes."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Annotated, Any

import uvicorn
from fastapi import Body, FastAPI, Request, Response
from fastapi.exceptions import HTTPException as Refusal  # the one that FastAPI lets through where it reads a body
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rosphere.demo.answers import Answers, Unknown
from rosphere.errors import InputError, message

LARGEST = 4 << 20  # bytes of a request
LINES, LONGEST = 20_000, 500  # of a collection; characters of a text
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
PAGE = {
    "": ("index.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    "page.js": ("page.js", "text/javascript"),
}
# Nothing but our own files, and nobody else's page around ours.
POLICY = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Text = Annotated[str, Body(min_length=1, max_length=LONGEST)]
Count = Annotated[int, Body(ge=1, le=100)]
Word = Annotated[str, Body(max_length=LONGEST)]


def application(answers: Answers, hosts: tuple[str, ...] = LOOPBACK) -> FastAPI:
    """The page and what it asks. Requests for another host's name are refused, as are those above ``LARGEST``."""
    app = FastAPI(title="rosphere", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Bounded, most=LARGEST)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    _pages(app)
    _answers(app, answers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if part != "body") or "request"
        return JSONResponse({"error": f"{key}: {first['msg']}"}, status_code=422)

    @app.exception_handler(HTTPException)
    async def unheard(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": f"request: {error.detail}"}, status_code=error.status_code)

    @app.exception_handler(InputError)
    async def refused(request: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"error": message(error)}, status_code=410 if isinstance(error, Unknown) else 422)

    @app.middleware("http")
    async def guarded(request: Request, following: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await following(request)
        response.headers.update(POLICY)
        return response

    return app


def _pages(app: FastAPI) -> None:
    for address, (name, kind) in PAGE.items():
        content = (resources.files("rosphere.demo") / "page" / name).read_bytes()

        def page(content: bytes = content, kind: str = kind) -> Response:
            return Response(content, media_type=kind)

        app.add_api_route(f"/{address}", page, methods=["GET"], response_class=Response)


def _answers(app: FastAPI, answers: Answers) -> None:
    """Plain functions: the server calls each in a thread, and one after the other reaches the models."""

    @app.get("/api/models")
    def models() -> dict[str, Any]:
        answers.look_again()
        found = answers.found
        return {
            "folder": str(answers.folder),
            "encoders": found.encoders,
            "writers": found.writers,
            "languages": found.languages,
            "vaes": found.vaes,
            "tasks": found.tasks,
            "all": found.all,
            "fields": answers.fields,
            "lines": LINES,
            "characters": LONGEST,
        }

    @app.post("/api/card")
    def card(model: Annotated[str, Body(embed=True, max_length=LONGEST)]) -> dict[str, Any]:
        return {"text": answers.card(model)}

    @app.post("/api/index")
    def index(lines: Annotated[list[str], Body(min_length=1, max_length=LINES)], encoder: Word) -> dict[str, Any]:
        for number, line in enumerate(lines, 1):
            if not 1 <= len(line) <= LONGEST:
                raise InputError(f"lines: expected 1 to {LONGEST} characters in line {number}, got {len(line)}")
        name, note = answers.index(lines, encoder)
        return {"index": name, "lines": len(lines), "note": note}

    @app.post("/api/search")
    def search(index: Word, query: Text, count: Count = 10) -> dict[str, Any]:
        return {"results": answers.search(index, query, count)}

    @app.post("/api/paraphrase")
    def paraphrase(
        text: Text,
        encoder: Word,
        count: Count = 10,
        freely: Annotated[bool, Body()] = False,
        seed: Annotated[int, Body(ge=0, lt=2**31)] = 0,
    ) -> dict[str, Any]:
        return {"results": answers.paraphrases(text, encoder, count=count, freely=freely, seed=seed)}

    @app.post("/api/similarity")
    def similarity(first: Text, second: Text) -> dict[str, Any]:
        return {"results": answers.similarity(first, second)}

    @app.post("/api/path")
    def path(first: Text, last: Text, vae: Word, steps: Annotated[int, Body(ge=2, le=25)] = 9) -> dict[str, Any]:
        return {"results": answers.path(first, last, vae, steps)}

    @app.post("/api/predict")
    def predict(task: Word, texts: Annotated[list[str], Body(min_length=1, max_length=2)]) -> dict[str, Any]:
        for each in texts:
            if not 1 <= len(each) <= LONGEST:
                raise InputError(f"texts: expected 1 to {LONGEST} characters, got {len(each)}")
        return answers.prediction(task, texts)

    @app.post("/api/guess")
    def guess(text: Text, language: Word, count: Count = 8) -> dict[str, Any]:
        return {"results": answers.guesses(text, language, count)}


class Bounded:
    """Middleware that stops reading a request at ``most`` bytes, whatever its head says: the answer is 413."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        refusal = Refusal(413, f"expected at most {self.most >> 20} MiB")
        read = 0

        async def bounded() -> Message:
            nonlocal read
            part = await receive()
            read += len(part.get("body", b""))
            if read > self.most:
                raise refusal
            return part

        said = dict(scope["headers"]).get(b"content-length", b"0")
        if said.isdigit() and int(said) > self.most:
            response = JSONResponse({"error": f"request: {refusal.detail}"}, status_code=refusal.status_code)
            return await response(scope, receive, send)
        await self.app(scope, bounded, send)


def listening(host: str, port: int) -> socket.socket:
    """A socket at this address; at any free port for 0. Raises InputError where it cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise InputError(f"{host}:{port}: {error.strerror or error}; --port and --host choose another") from error


def serve(answers: Answers, place: socket.socket, hosts: tuple[str, ...] = LOOPBACK) -> None:
    """Until Ctrl-C."""
    settings = uvicorn.Config(application(answers, hosts), log_level="warning", access_log=False, lifespan="off")
    uvicorn.Server(settings).run(sockets=[place])
