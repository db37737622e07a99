"""Problems: every error this service answers with, as RFC 9457 has it. Never shows a value that came in, or a trace."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from common.telemetry.logs import log_fields

MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """What is wrong with one field of the request."""

    field: str = Field(examples=["redirect_success_link"])
    message: str = Field(examples=["names a host that is not allowed"])


class Problem(BaseModel):
    """RFC 9457: what went wrong, for programs (`code`) and for people (`detail`)."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["The request has fields that cannot be used."])
    code: str = Field(examples=["invalid_request"])
    instance: str = Field(examples=["b1946ac92492d2347c6235b4d2611184"])
    errors: list[FieldProblem] = []


class RequestRefused(Exception):
    """The request can be read, but not done.

    Args:
        errors: what is wrong, field by field.
    """

    def __init__(self, errors: Sequence[FieldProblem]) -> None:
        super().__init__(", ".join(error.field for error in errors))
        self.errors = errors


class ProblemWithCode(HTTPException):
    """A status that alone would not tell programs what to do.

    Args:
        status: of HTTP.
        code: one stable word for programs.
        told: one sentence for people.
        headers: to go with it.
    """

    def __init__(self, status: int, code: str, told: str, headers: dict[str, str]) -> None:
        super().__init__(status, told, headers)
        self.code = code


def problem_response(
    status: int,
    code: str,
    detail: str,
    *,
    kind: str = "about:blank",
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return the answer that says what went wrong.

    Args:
        status: of HTTP.
        code: one stable word for programs.
        detail: one sentence for people.
        kind: URI of the kind of problem. By default it means what its status means, and `code` says the rest:
            RFC 9457, section 4.2.1.
        errors: what is wrong with single fields.
        headers: to go with it.
    """
    problem = Problem(
        type=kind,
        title=_TITLES.get(status) or HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        # This request's id, by which we find it in our logs.
        instance=log_fields.get().get("request_id", ""),
        errors=list(errors),
    )
    return JSONResponse(problem.model_dump(), status, headers, media_type=MEDIA_TYPE)


def describe(description: str) -> dict[str, object]:
    """Return how a route's OpenAPI entry describes an answer that is a problem."""
    schema = Problem.model_json_schema()
    # Written out in place: FastAPI collects only the models of JSON answers, and this is another media type.
    schema["properties"]["errors"]["items"] = schema.pop("$defs")["FieldProblem"]
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


def install(app: FastAPI) -> None:
    """Let an application answer every error this way."""

    @app.exception_handler(RequestRefused)
    def _(_request: Request, error: RequestRefused) -> JSONResponse:
        return _refuse_fields(error.errors)

    @app.exception_handler(RequestValidationError)
    def _(_request: Request, error: RequestValidationError) -> JSONResponse:
        errors = error.errors()
        # An error of the body as a whole: no JSON, no JSON object, or not said to be JSON.
        if any(each["loc"] == ("body",) for each in errors):
            return _not_json()
        return _refuse_fields([FieldProblem(field=str(each["loc"][-1]), message=_say(each["type"])) for each in errors])

    @app.exception_handler(HTTPException)
    def _(_request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error, ProblemWithCode):
            return problem_response(error.status_code, error.code, error.detail, headers=error.headers)
        code, detail = _DETAILS.get(error.status_code, ("error", "The request could not be done."))
        return problem_response(error.status_code, code, detail, headers=error.headers)


# Python 3.13 renamed them after RFC 9110; one answer for every Python.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}

_DETAILS = {
    404: ("not_found", "There is nothing here."),
    405: ("method_not_allowed", "This address takes other methods only."),
}


def _refuse_fields(errors: Sequence[FieldProblem]) -> JSONResponse:
    return problem_response(422, "invalid_request", "The request has fields that cannot be used.", errors=errors)


def _not_json() -> JSONResponse:
    return problem_response(422, "not_json", "The body must be a JSON object, sent as application/json.")


def _say(kind: str) -> str:
    # pydantic's own messages may quote what came in.
    return "is required" if kind == "missing" else "must be a text"
