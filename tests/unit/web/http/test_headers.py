"""Entity tags, as clients and proxies send them back."""

import pytest

from web.http.headers import etag_matches, make_etag

ETAG = make_etag(b"page")


@pytest.mark.parametrize("header", [ETAG, f"W/{ETAG}", f'"x", {ETAG}', f' "x",W/{ETAG} ', "*"])
def test_etag_is_found(header: str) -> None:
    """Alone, in a list, and made weak by a proxy that compresses."""
    assert etag_matches(ETAG, header)


@pytest.mark.parametrize("header", ["", '"x"', ETAG[:-1], ETAG.strip('"'), "W/"])
def test_other_etags_do_not_match(header: str) -> None:
    """Nor none, nor a part of it."""
    assert not etag_matches(ETAG, header)


def test_etags_differ_with_the_content() -> None:
    """And are quoted, as RFC 9110 has them."""
    assert make_etag(b"other") != ETAG
    assert ETAG[0] == ETAG[-1] == '"'
