"""English."""

from common.errors import Reason
from web.texts.grammar import NBSP, Explanation, Texts

_AGAIN = "Go back to the gallery and press the button again: only what is missing will be copied."
_TELL = "Tell your photographer the name of the photo; once it is mended, press the gallery's button again."

ENGLISH = Texts(
    language="en",
    name="English",
    plural=lambda number: 0 if number == 1 else 1,
    decimal=".",
    thousands=",",
    units=("kB", "MB", "GB", "TB"),
    forms={
        "bare": ("{n}", "{n}"),
        "bytes": (f"{{n}}{NBSP}byte", f"{{n}}{NBSP}bytes"),
        "of_photos": ("of {n} photo", "of {n} photos"),
        "photos_stay": ("{n} photo stays in your cloud.", "{n} photos stay in your cloud."),
        "photos_saved": ("{n} photo is in your cloud.", "{n} photos are in your cloud."),
        "photos_failed": ("{n} photo could not be saved", "{n} photos could not be saved"),
        "more": ("and {n} more", "and {n} more"),
        "minutes_left": (f"about {{n}}{NBSP}minute left", f"about {{n}}{NBSP}minutes left"),
        "hours_left": (f"about {{n}}{NBSP}hour left", f"about {{n}}{NBSP}hours left"),
        "days_left": (f"about {{n}}{NBSP}day left", f"about {{n}}{NBSP}days left"),
    },
    sentences={
        "moments_left": "less than a minute left",
        "some_cloud": "your cloud",
        "gallery": "Gallery",
        "per_second": "/s",
        "bar": "Saving photos to {cloud}",
        "of": "{part} of {whole}",
        "awaiting_consent": "Waiting for your permission",
        "awaiting_consent_more": "Please allow access on your cloud's page. If you have closed it, go back to the "
        "gallery and press the button again.",
        "queued": "Starting soon",
        "queued_more": "Your gallery is in the queue.",
        "reading": "Looking at the gallery",
        "reading_more": "We are comparing it with what is in your cloud already.",
        "running": "Saving to {cloud}",
        "waiting": "Taking a break",
        "waiting_more": "There is nothing you need to do: it goes on by itself.",
        "done": "Everything is saved",
        "done_partly": "Saved, but not everything",
        "failed": "It did not work",
        "cancelled": "Stopped",
        "close_tab": "You may close this tab: saving goes on without it. Come back to this address at any time.",
        "just_arrived": "Just arrived: {names}",
        "space": "{needed} are needed and {free} are free.",
        "space_needed": "{needed} more are needed.",
        "space_missing": "Please free at least {missing}.",
        "open_folder": "Open the folder",
        "cancel": "Stop saving",
        "cancel_more": "What has been copied stays.",
        "stopping": "Stopping. This takes a few seconds.",
        "not_stopped": "It could not be stopped just now. Please try again in a few seconds.",
        "photos_next": "What to do:",
        "language": "Language",
        "unknown_title": "There is no such archive",
        "unknown_text": "The address is incomplete, or the archive ended more than a week ago. Your photos stay where "
        "they are, in your cloud.",
        "later_title": "One moment, please",
        "later_text": "Many guests are back at the same time. This page tries again by itself in a few seconds; please "
        "leave it open. Nothing is lost.",
        "void_title": "This link no longer works",
        "void_text": "Permission to save the gallery was asked for too long ago, or the link was changed on its way. "
        "Nothing was saved. Please go back to the gallery and press the button again.",
    },
    reasons={
        Reason.DENIED: Explanation(
            "You did not give permission",
            "Access to your cloud was refused on the cloud's own page.",
            "To save the gallery, go back to it, press the button again and choose to allow.",
        ),
        Reason.SCOPE_MISSING: Explanation(
            "One permission is missing",
            "The box that lets us add photos to your cloud was left empty.",
            "Go back to the gallery, press the button again and leave the box ticked.",
        ),
        Reason.NO_REFRESH_TOKEN: Explanation(
            "The permission was too short",
            "Your cloud let us in for a moment only, and saving takes longer than that.",
            "Go back to the gallery and press the button again. If it does not help, remove our app in your account's "
            "security settings first.",
        ),
        Reason.TRY_LATER: Explanation(
            "Saving could not be started",
            "Your cloud or our service did not answer just then.",
            "Go back to the gallery and press the button again in a few minutes.",
        ),
        Reason.STORAGE_FULL: Explanation(
            "Your cloud has no room",
            "The photos that are missing need more space than is free.",
            "Free some space or get more of it. Then go back to the gallery and press the button again: only what is "
            "missing will be copied.",
        ),
        Reason.GRANT_REVOKED: Explanation(
            "The permission was taken back",
            "Our access was removed in your account, or your cloud has ended it.",
            _AGAIN,
        ),
        Reason.GALLERY_EMPTY: Explanation(
            "The gallery is empty",
            "There is no photo in it that could be saved.",
            "Ask your photographer when the photos will be there, and press the button then.",
        ),
        Reason.GALLERY_UNAVAILABLE: Explanation(
            "The gallery does not answer",
            "The list of its photos could not be read.",
            "Try again later from the gallery. If it does not help, tell your photographer.",
        ),
        Reason.PHOTO_UNAVAILABLE: Explanation(
            "The gallery did not give the photo out",
            "It is listed in the gallery, but could not be read there.",
            _TELL,
        ),
        Reason.WRONG_BYTES: Explanation(
            "The photo is damaged",
            "What the gallery sent is not the file it promised, so it was not saved.",
            _TELL,
        ),
        Reason.URL_NOT_ALLOWED: Explanation(
            "The photo is somewhere else",
            "The gallery points to an address that we do not read from, for safety.",
            _TELL,
        ),
        Reason.DAILY_LIMIT: Explanation(
            "Your cloud takes no more today",
            "It accepts only so much in a day.",
            "Come back tomorrow: what is missing can be copied then.",
        ),
        Reason.CANCELLED: Explanation(
            "Saving was stopped",
            "It was stopped on this page or in the gallery.",
            f"What was copied stays. To get the rest: {_AGAIN[0].lower()}{_AGAIN[1:]}",
        ),
        Reason.INTERNAL: Explanation(
            "Something broke on our side",
            "This is our mistake, not yours.",
            "Try again later from the gallery. If it happens again, write to the gallery's support.",
        ),
        Reason.CLOUD_UNAVAILABLE: Explanation(
            "Your cloud does not answer",
            "It could not be reached, or was too busy.",
            _AGAIN,
        ),
        Reason.CLOUD_REFUSED: Explanation(
            "Your cloud refused it",
            "It did not accept what we sent, and did not say why.",
            "Go back to the gallery and press the button again later, or download what is missing by hand.",
        ),
        Reason.ACCOUNT_REFUSED: Explanation(
            "Your cloud does not let us save here",
            "It refuses everything for this account: it may be disabled, or whoever manages it does not allow it.",
            "Ask whoever manages the account, or choose another account or cloud in the gallery.",
        ),
        Reason.APP_REFUSED: Explanation(
            "Your cloud does not let this service in right now",
            "This is our trouble, not yours, and we have been told.",
            "You need not do anything: saving goes on by itself as soon as it is mended.",
        ),
        Reason.UNREADABLE_ENTRY: Explanation(
            "The gallery's list is damaged here",
            "This line of the list does not name a photo that could be read.",
            _TELL,
        ),
    },
)
