"""English."""

from common.errors import Reason
from web.texts.grammar import NBSP, Explanation, Texts

_AGAIN = "Try again: only what is missing will be copied."
_TELL = "Tell your photographer which photos are missing. Once the files are fixed, try again."

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
        "minutes_until": (f"in about {{n}}{NBSP}minute", f"in about {{n}}{NBSP}minutes"),
        "hours_left": (f"about {{n}}{NBSP}hour left", f"about {{n}}{NBSP}hours left"),
        "days_left": (f"about {{n}}{NBSP}day left", f"about {{n}}{NBSP}days left"),
    },
    sentences={
        "moments_left": "less than a minute left",
        "moments": "less than a minute",
        "moments_until": "any moment now",
        "duration_units": "d h min",
        "took": "It took {time}.",
        "next_try": "Next try:",
        "pause": "Your cloud asked for a pause; saving goes on by itself.",
        "into_cloud": "to {cloud}",
        "into_some_cloud": "to your cloud",
        "gallery": "Gallery",
        "per_second": "/s",
        "bar": "Saving photos {to_cloud}",
        "of": "{part} of {whole}",
        "awaiting_consent": "Waiting for your permission",
        "awaiting_consent_more": "Allow access on your cloud's page. If you have closed it, go back to the gallery and "
        "press the button again.",
        "queued": "Starting soon",
        "queued_more": "Your gallery is in the queue.",
        "reading": "Reading the gallery",
        "reading_more": "We are comparing it with what is already in your cloud.",
        "running": "Saving {to_cloud}",
        "waiting": "Taking a break",
        "waiting_more": "You do not need to do anything: saving goes on by itself.",
        "done": "Everything is saved",
        "done_partly": "Saved, but not everything",
        "failed": "It did not work",
        "cancelled": "Stopped",
        "close_tab": "You can close this tab: saving goes on without it. Come back to this address at any time.",
        "just_arrived": "Just arrived: {names}",
        "space": "{needed} are needed and {free} are free.",
        "space_needed": "{needed} more are needed.",
        "space_missing": "Please free up at least {missing}.",
        "open_folder": "Open the folder",
        "open_storage": "Free up space",
        "again": "Try again",
        "continue": "Continue",
        "again_in_gallery": "To try again, go back to the gallery and press the button there.",
        "back": "Back to the gallery",
        "home": "Open LiteGallery",
        "cancel": "Stop saving",
        "cancel_more": "What has been copied stays.",
        "cancel_yes": "Yes, stop",
        "stop_much": "Already saved: {photos}. They stay in your cloud, the rest will be missing. You can "
        "continue later.",
        "stopping": "Stopping. This takes a few seconds.",
        "not_stopped": "It could not be stopped just now. Please try again in a few seconds.",
        "copy_names": "Copy the names",
        "copied": "Copied",
        "download_names": "Download the list",
        "names_file": "Missing photos",
        "photos_next": "What to do:",
        "language": "Language",
        "unknown_title": "There is nothing at this address",
        "unknown_text": "It is incomplete, or the gallery was saved more than a week ago. Your photos are where they "
        "were, in your cloud.",
        "later_title": "One moment, please",
        "later_text": "Many guests are here at the same time. This page tries again by itself in a few seconds; please "
        "leave it open. Nothing is lost.",
        "void_title": "This link no longer works",
        "void_text": "Permission to save the gallery was asked for too long ago, or the link was changed on its way. "
        "Nothing was saved. Please go back to the gallery and press the button again.",
    },
    reasons={
        Reason.DENIED: Explanation(
            "You did not allow access",
            "Access to your cloud was declined on the cloud's own page.",
            "To save the gallery, try again and allow access.",
        ),
        Reason.SCOPE_MISSING: Explanation(
            "One permission is missing",
            "The box that lets us add photos to your cloud was not ticked.",
            "Try again and leave the box ticked.",
        ),
        Reason.NO_REFRESH_TOKEN: Explanation(
            "The permission did not last",
            "Your cloud let us in for a moment only, and saving takes longer than that.",
            "Try again. If that does not help, first remove our app in your account's security settings.",
        ),
        Reason.TRY_LATER: Explanation(
            "Saving could not start",
            "Your cloud or our service did not answer just then.",
            "Try again in a few minutes.",
        ),
        Reason.STORAGE_FULL: Explanation(
            "Your cloud is full",
            "The missing photos need more space than is free.",
            f"Free up some space or get more. Then {_AGAIN[0].lower()}{_AGAIN[1:]}",
        ),
        Reason.GRANT_REVOKED: Explanation(
            "Access was withdrawn",
            "It was removed in your account, or your cloud ended it.",
            _AGAIN,
        ),
        Reason.GALLERY_EMPTY: Explanation(
            "The gallery is empty",
            "There are no photos in it to save.",
            "Ask your photographer when the photos will be there, and try again then.",
        ),
        Reason.GALLERY_UNAVAILABLE: Explanation(
            "The gallery does not answer",
            "The list of its photos could not be read.",
            "Try again later. If that does not help, tell your photographer.",
        ),
        Reason.PHOTO_UNAVAILABLE: Explanation(
            "The gallery did not hand over the photo",
            "It is in the gallery's list, but could not be read there.",
            _TELL,
        ),
        Reason.WRONG_BYTES: Explanation(
            "The photo is damaged",
            "What the gallery sent is not the file it lists, so it was not saved.",
            _TELL,
        ),
        Reason.URL_NOT_ALLOWED: Explanation(
            "The photo is stored elsewhere",
            "The gallery points to an address that we do not read from, for safety.",
            _TELL,
        ),
        Reason.DAILY_LIMIT: Explanation(
            "Your cloud accepts no more today",
            "There is a limit to what it takes in a day.",
            "Try again tomorrow: only what is missing will be copied.",
        ),
        Reason.CANCELLED: Explanation(
            "Saving was stopped",
            "It was stopped on this page or in the gallery.",
            "Continue whenever you like: only what is missing will be copied.",
        ),
        Reason.INTERNAL: Explanation(
            "Something broke on our side",
            "This is our mistake, not yours.",
            "Try again later. If it happens again, write to the gallery's support.",
        ),
        Reason.CLOUD_UNAVAILABLE: Explanation(
            "Your cloud does not answer",
            "It could not be reached, or was too busy.",
            "Try again later: only what is missing will be copied.",
        ),
        Reason.CLOUD_REFUSED: Explanation(
            "Your cloud declined it",
            "It did not accept what we sent, and did not say why.",
            "Try again later, or download what is missing from the gallery by hand.",
        ),
        Reason.ACCOUNT_REFUSED: Explanation(
            "Your cloud does not let us save to this account",
            "It declines everything: the account may be disabled, or its administrator does not allow it.",
            "Ask the account's administrator, or try again with another account.",
        ),
        Reason.APP_REFUSED: Explanation(
            "Your cloud does not let our service in right now",
            "The problem is ours, not yours, and we already know about it.",
            "Try again in a few hours.",
        ),
        Reason.UNREADABLE_ENTRY: Explanation(
            "The gallery's list is damaged here",
            "This line of the list does not name a photo that can be read.",
            _TELL,
        ),
    },
)
