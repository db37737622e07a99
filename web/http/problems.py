"""Error answers as problem details (RFC 9457), without any value that came in and without tracebacks."""

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
    """The request is well-formed, but some of its fields cannot be used.

    Args:
        errors: field by field.
    """

    def __init__(self, errors: Sequence[FieldProblem]) -> None:
        super().__init__(", ".join(error.field for error in errors))
        self.errors = errors


class ProblemWithCode(HTTPException):
    """An HTTP error with a code of its own.

    Args:
        status: of HTTP.
        code: one stable word for programs.
        detail: one sentence for people.
        headers: of the answer.
    """

    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)
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
    """Return a problem as an answer.

    Args:
        status: of HTTP.
        code: one stable word for programs.
        detail: one sentence for people.
        kind: URI of the problem's type. By default that is its status alone, and `code` says the rest: RFC 9457,
            section 4.2.1.
        errors: of single fields.
        headers: of the answer.
    """
    problem = Problem(
        type=kind,
        title=_TITLES.get(status) or HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        # The request's id, which stands in its log lines too.
        instance=log_fields.get().get("request_id", ""),
        errors=list(errors),
    )
    return JSONResponse(problem.model_dump(), status, headers, media_type=MEDIA_TYPE)


def describe(description: str) -> dict[str, object]:
    """Return the OpenAPI description of an answer that is a problem."""
    schema = Problem.model_json_schema()
    # Inlined: FastAPI collects the models of `application/json` answers only.
    schema["properties"]["errors"]["items"] = schema.pop("$defs")["FieldProblem"]
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


def install(app: FastAPI) -> None:
    """Let an application answer every error with a problem."""

    @app.exception_handler(RequestRefused)
    def _(_request: Request, error: RequestRefused) -> JSONResponse:
        return _invalid_request(error.errors)

    @app.exception_handler(RequestValidationError)
    def _(_request: Request, error: RequestValidationError) -> JSONResponse:
        errors = error.errors()
        # Errors of the body as a whole: no JSON, no JSON object, or not sent as JSON.
        if any(each["type"] == "json_invalid" or each["loc"] == ("body",) for each in errors):
            return _not_json()
        return _invalid_request(
            [FieldProblem(field=str(each["loc"][-1]), message=_message(each["type"])) for each in errors]
        )

    @app.exception_handler(HTTPException)
    def _(_request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error, ProblemWithCode):
            return problem_response(error.status_code, error.code, error.detail, headers=error.headers)
        # FastAPI's answer to a body that Python cannot parse: not UTF-8, nested too deeply, a number of too many
        # digits.
        if error.status_code == 400:
            return _not_json()
        code, detail = _DETAILS.get(error.status_code, ("error", "The request could not be done."))
        return problem_response(error.status_code, code, detail, headers=error.headers)


# As in RFC 9110; Python's own phrases are older before 3.13.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}

_DETAILS = {
    404: ("not_found", "There is nothing here."),
    405: ("method_not_allowed", "This address takes other methods only."),
}


def _invalid_request(errors: Sequence[FieldProblem]) -> JSONResponse:
    return problem_response(422, "invalid_request", "The request has fields that cannot be used.", errors=errors)


def _not_json() -> JSONResponse:
    return problem_response(422, "not_json", "The body must be a JSON object, sent as application/json.")


def _message(kind: str) -> str:
    # pydantic's own messages may quote the value.
    return "is required" if kind == "missing" else "must be a text"
