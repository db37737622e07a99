"""The OpenAPI description against the running API, by schemathesis: every answer is described."""

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fakes.web_site import OpenSite, Site

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
AS_DESCRIBED, OTHERWISE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
# Only the POST has a body to be wrong: every text is a fine path or query.
TRIALS = [
    ("/cloud_archive", "POST", AS_DESCRIBED),
    ("/cloud_archive", "POST", OTHERWISE),
    ("/cloud_archive/callback/{cloud_type}", "GET", AS_DESCRIBED),
    ("/cloud_archive/jobs/{job_id}/cancel", "POST", AS_DESCRIBED),
    ("/cloud_archive/jobs/{job_id}", "GET", AS_DESCRIBED),
    ("/healthz", "GET", AS_DESCRIBED),
    ("/readyz", "GET", AS_DESCRIBED),
]


@pytest.fixture
def site(open_site: OpenSite, environ: dict[str, str]) -> Site:
    """An application that nobody's minute ends."""
    return open_site(environ, RATE_LIMIT_PER_MINUTE="0")


@pytest.mark.parametrize(("path", "method", "mode"), TRIALS)
def test_whatever_is_sent_the_answer_is_described(site: Site, path: str, method: str, mode: GenerationMode) -> None:
    """Requests by the description and against it: never a 5xx, never an undescribed status, type or shape."""
    described = schemathesis.openapi.from_dict(site.send("GET", "/openapi.json").json())
    with requests.Session() as session:
        session.trust_env = False

        # Without the shrinking phase a failure is told in seconds; bounded, not timed.
        @settings(
            max_examples=30,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
        )
        @given(case=described[path][method].as_strategy(generation_mode=mode))
        def send(case: schemathesis.Case) -> None:
            case.call_and_validate(base_url=site.url, session=session, checks=CHECKS, allow_redirects=False, timeout=30)

        send()
