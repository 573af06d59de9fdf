"""The service: ``POST /decide``, and what tells about it."""

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from hetgraph import __version__
from hetgraph.graph.json_form import json_schema
from hetgraph.trainers.serve.decider import Decider

BAD_GRAPH, TOO_LARGE, NO_JSON = 422, 413, 415


def make_app(decider: Decider) -> FastAPI:
    """Application of one model.

    Args:
        decider: that answers.
    """
    app = FastAPI(title="hetgraph", version=__version__, docs_url=None, redoc_url=None)
    schema, card, example = json_schema(), decider.card(), decider.example_request()

    async def decide(request: Request) -> Response:
        """Decision on the graph in the body."""
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _error(NO_JSON, "content-type: got another one, expected application/json")
        body = await _body(request, decider.limits.body_bytes)
        if body is None:
            return _error(TOO_LARGE, f"body: got more than {decider.limits.body_bytes} bytes, expected fewer")
        try:
            return JSONResponse(await run_in_threadpool(decider.decide, body))
        except ValueError as error:
            return _error(BAD_GRAPH, str(error))

    def health() -> dict[str, str]:
        """Whether the service answers."""
        return {"status": "ok", "system": decider.header.system, "hetgraph": __version__}

    app.add_api_route("/decide", decide, methods=["POST"], response_model=None)
    app.add_api_route("/health", health, methods=["GET"])
    for path, value in (("/schema", schema), ("/model", card), ("/example", example)):
        app.add_api_route(path, _constant(value), methods=["GET"], response_model=None)
    return app


def _constant(value: dict[str, Any]) -> Any:
    def answer() -> JSONResponse:
        return JSONResponse(value)

    return answer


async def _body(request: Request, most: int) -> bytes | None:
    """The body, ``None`` for one that is too long, of which no more is read."""
    if int(request.headers.get("content-length") or 0) > most:
        return None
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            return None
        parts.append(part)
    return b"".join(parts)


def _error(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status_code=status)
