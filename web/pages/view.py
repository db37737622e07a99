"""What the page of an archive shows: a snapshot in a guest's words.

The page fetches itself again and shows what changed, so that every word, number and plural is made here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from common.errors import Reason
from common.messages.progress import Progress, State
from web.pages.failures import FailureGroup, fit_on_page, group_failures
from web.pages.links import NOWHERE, Link, WayOn, list_actions, may_ask_again
from web.pages.render import render
from web.progress.lookup import ACTIVE_STATES, POLL_SECONDS
from web.texts import Explanation, Texts, say_space

# From here on a guest who stops is asked once more: half of it, or as much as takes a while to copy.
MUCH_PERCENT, MUCH_PHOTOS = 50, 500


@dataclass(frozen=True)
class Bar:
    """A progress bar: its name, percent (None while unknown), the same as text, and the lines below it."""

    name: str
    percent: int | None
    text: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class NextTry:
    """When an archive goes on: the moment for programs, which know the guest's clock, and words for everybody."""

    moment: str
    text: str


@dataclass(frozen=True, kw_only=True)
class View:
    """What `templates/job.html` shows."""

    state: State
    title: str
    percent: str
    gallery_name: str
    heading: str
    lead: tuple[str, ...]
    bar: Bar | None
    next_try: NextTry | None
    latest: str
    spoken: str
    reason: Explanation | None
    elsewhere: str
    alarming: bool
    space: tuple[str, ...]
    actions: tuple[Link, ...]
    way_on: Link | None
    failures: tuple[FailureGroup, ...]
    failures_title: str
    failures_more: str
    failures_path: str
    may_notify: bool
    may_cancel: bool
    ask_first: str
    cancel_path: str
    notice: str
    every_seconds: int


@dataclass(frozen=True)
class Situation:
    """What a page depends on besides the snapshot.

    Args:
        way_on: where the page leads.
        can_ask: whether the guest can ask again on the page.
        now: Unix time in seconds; 0 when nobody knows.
        cancelling: "asked" when this guest has pressed the button, "failed" when the cancel could not be recorded.
    """

    way_on: WayOn = NOWHERE
    can_ask: bool = False
    now: float = 0.0
    cancelling: str = ""


NO_SITUATION = Situation()


def render_job(progress: Progress, texts: Texts, situation: Situation = NO_SITUATION) -> str:
    """Return the page of an archive; arguments as of `describe_job`."""
    return render("job.html", texts, view=describe_job(progress, texts, situation))


def describe_job(progress: Progress, texts: Texts, situation: Situation = NO_SITUATION) -> View:
    """Return what the page of an archive shows.

    Args:
        progress: the newest snapshot.
        texts: of the guest's language.
        situation: what else the page depends on.
    """
    heading = _make_heading(progress, texts)
    bar = _make_bar(progress, texts)
    percent = f"{bar.percent}%" if bar and bar.percent is not None and not progress.state.is_final else ""
    named = fit_on_page(progress.failures)
    groups, unnamed = group_failures(named, texts), progress.photos_failed - len(named)
    ended = progress.state.is_final
    notice = {"asked": "stopping", "failed": "not_stopped"}.get(situation.cancelling, "")
    return View(
        state=progress.state,
        title=" · ".join(each for each in (percent, heading, progress.gallery_name or texts.say("gallery")) if each),
        percent=percent,
        gallery_name=progress.gallery_name,
        heading=heading,
        lead=tuple(_make_lead(progress, texts)),
        bar=bar,
        next_try=_find_next_try(progress, texts, situation.now),
        latest=texts.say("just_arrived", names=", ".join(progress.latest)) if progress.latest else "",
        spoken=f"{heading}. {bar.text}" if bar and bar.text else heading,
        reason=_explain(progress, texts),
        elsewhere=texts.say("again_in_gallery") if may_ask_again(progress) and not situation.can_ask else "",
        alarming=progress.state is State.FAILED,
        space=tuple(say_space(texts, progress)),
        actions=tuple(list_actions(progress, texts, can_ask=situation.can_ask)),
        way_on=situation.way_on.link(texts),
        failures=groups,
        failures_title=texts.count("photos_failed", progress.photos_failed) if progress.failures else "",
        failures_more=texts.count("more", unnamed) if progress.failures and unnamed > 0 else "",
        failures_path=f"/cloud_archive/jobs/{progress.job_id}/failures.txt?lang={texts.language}",
        may_notify=progress.state in ACTIVE_STATES,
        may_cancel=progress.state in ACTIVE_STATES and situation.cancelling != "asked",
        ask_first=_make_question(progress, bar, texts),
        cancel_path=f"/cloud_archive/jobs/{progress.job_id}/cancel?lang={texts.language}",
        notice=texts.say(notice) if notice and not ended else "",
        every_seconds=POLL_SECONDS.get(progress.state, 0),
    )


def _make_heading(progress: Progress, texts: Texts) -> str:
    if progress.state is State.DONE and progress.photos_failed:
        return texts.say("done_partly")
    if progress.state is State.DONE and progress.reason == Reason.GALLERY_EMPTY:
        return texts.explain(progress.reason).title
    if progress.state is State.RUNNING and not progress.photos_total:
        return texts.say("reading")
    return texts.say(str(progress.state), to_cloud=texts.into_cloud(progress.cloud_type))


def _make_lead(progress: Progress, texts: Texts) -> Iterable[str]:
    state, stored = progress.state, progress.photos_copied + progress.photos_skipped
    if state is State.RUNNING and not progress.photos_total:
        yield texts.say("reading_more")
    if state in (State.AWAITING_CONSENT, State.QUEUED):
        yield texts.say(f"{state}_more")
    if state is State.DONE and stored:
        yield texts.count("photos_saved", stored)
    if state in (State.FAILED, State.CANCELLED) and stored:
        yield texts.count("photos_stay", stored)
    if state.is_final and progress.finished_at > progress.started_at > 0:
        yield texts.say("took", time=texts.duration(progress.finished_at - progress.started_at))
    if state is State.RUNNING and progress.next_attempt_at:
        yield texts.say("pause")
    if state in ACTIVE_STATES:
        yield texts.say("close_tab")


def _find_next_try(progress: Progress, texts: Texts, now: float) -> NextTry | None:
    moment = progress.next_attempt_at
    if not moment or progress.state not in (State.RUNNING, State.WAITING):
        return None
    known = datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return NextTry(known, texts.time_until(moment - now))


def _make_bar(progress: Progress, texts: Texts) -> Bar | None:
    """Return the bar; none before consent, and none for an ended job without photos."""
    if progress.state is State.AWAITING_CONSENT or (progress.state.is_final and not progress.photos_total):
        return None
    name = texts.say("bar", to_cloud=texts.into_cloud(progress.cloud_type))
    if not progress.photos_total:
        return Bar(name, None, "", ())
    stored = progress.photos_copied + progress.photos_skipped
    part, whole = (progress.bytes_copied, progress.bytes_total) if progress.bytes_total else (stored, 0)
    # Rounded down: 100 means that everything is stored.
    percent = min(100, part * 100 // (whole or progress.photos_total))
    photos = _say_photos(progress, texts)
    sizes = texts.say("of", part=texts.size(progress.bytes_copied), whole=texts.size(progress.bytes_total))
    lines = [photos, sizes]
    if progress.state is State.RUNNING and progress.bytes_per_second >= 1:
        lines.append(f"{texts.size(round(progress.bytes_per_second))}{texts.say('per_second')}")
    if progress.state is State.RUNNING and progress.eta_seconds is not None:
        lines.append(texts.time_left(progress.eta_seconds))
    return Bar(name, percent, f"{photos}, {sizes}", tuple(lines))


def _make_question(progress: Progress, bar: Bar | None, texts: Texts) -> str:
    """Return what to tell a guest who stops when much is done; empty when little would be lost."""
    percent = bar.percent if bar else None
    if (percent or 0) < MUCH_PERCENT and progress.stored < MUCH_PHOTOS:
        return ""
    return texts.say("stop_much", photos=_say_photos(progress, texts))


def _say_photos(progress: Progress, texts: Texts) -> str:
    return f"{texts.count('bare', progress.stored)} {texts.count('of_photos', progress.photos_total)}"


def _explain(progress: Progress, texts: Texts) -> Explanation | None:
    if not progress.reason or progress.state in (State.QUEUED, State.RUNNING, State.AWAITING_CONSENT):
        return None
    explained = texts.explain(progress.reason)
    # A waiting archive needs nothing from its guest.
    return replace(explained, next_step=texts.say("waiting_more")) if progress.state is State.WAITING else explained
