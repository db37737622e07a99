"""The few words we say to a guest ourselves, in Russian or English. Knows no job."""

from html import escape

from starlette.responses import HTMLResponse

_PAGE = """<!doctype html>
<html lang="{language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 20vh auto 0; padding: 0 1rem }}</style>
<h1>{title}</h1>
<p>{text}</p>
</html>
"""

_WORDS = {
    "en": (
        "This link no longer works",
        (
            "Permission to save the gallery was asked for too long ago, or the link was changed on its way. "
            "Nothing was saved. Please go back to the gallery and press the button again."
        ),
    ),
    "ru": (
        "Ссылка больше не действует",
        (
            "Разрешение на сохранение галереи запрашивалось слишком давно, или ссылка изменилась по пути. "
            "Ничего не сохранено. Вернитесь, пожалуйста, в галерею и нажмите кнопку ещё раз."
        ),
    ),
}

# Nothing of others' on our page, and nothing of ours in others' logs: its address holds a code.
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def void_page(accept_language: str) -> HTMLResponse:
    """Return the page for a guest whose way back does not count any more.

    Args:
        accept_language: the header of that name.
    """
    language = choose_language(accept_language)
    title, text = _WORDS[language]
    page = _PAGE.format(language=language, title=escape(title), text=escape(text))
    headers = {**HEADERS, "Content-Security-Policy": _POLICY, "Content-Language": language, "Vary": "Accept-Language"}
    return HTMLResponse(page, 400, headers)


def choose_language(accept_language: str) -> str:
    """Return the one of our languages that a guest likes best; English when they like none of them."""
    wishes = [_read_wish(word) for word in accept_language.split(",")]
    ours = [(weight, language) for language, weight in wishes if language in _WORDS and weight > 0]
    return max(ours, key=lambda wish: wish[0], default=(0.0, "en"))[1]


def _read_wish(word: str) -> tuple[str, float]:
    """Read one entry of Accept-Language (RFC 9110, section 12.5.4)."""
    tag, _, weight = word.strip().lower().partition(";")
    try:
        wish = float(weight.strip().removeprefix("q=") or 1)
    except ValueError:
        wish = 0.0
    return tag.strip().partition("-")[0], wish
