"""What the demo compares and shows."""

import io
from email.message import Message

import pytest

from sandbox.demo.__main__ import parse_fault
from sandbox.demo.guest import draw_photos, find_differences, find_wrong_done_calls
from sandbox.demo.show import ProgressBar, write_bytes, write_tree
from sandbox.gallery.host import Done

ONE, TWO = ("A/1.jpg", 10, "aa"), ("A/B/2.jpg", 20, "bb")


def test_no_difference_when_every_photo_is_there_once():
    """The same photos in any order are no difference."""
    assert find_differences([ONE, TWO], [TWO, ONE]) == []


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([ONE], ["missing: A/B/2.jpg"]),
        ([ONE, TWO, TWO], ["not as in the gallery: A/B/2.jpg"]),
        ([ONE, ("A/B/2.jpg", 20, "cc")], ["missing: A/B/2.jpg", "not as in the gallery: A/B/2.jpg"]),
        ([ONE, ("A/2.jpg", 20, "bb")], ["missing: A/B/2.jpg", "not as in the gallery: A/2.jpg"]),
    ],
)
def test_differences_are_named(found, words):
    """A photo that is missing, double, changed or elsewhere is told."""
    assert words == [line.partition(" (")[0] for line in find_differences([ONE, TWO], found)]


def make_done(json, **headers):
    """A done call with headers; names without the X-Cloud-Archive in front."""
    full = {"X-Cloud-Archive-Job": "j", "X-Cloud-Archive-Url": "u", "Idempotency-Key": "j"} | headers
    message = Message()
    for name, value in full.items():
        message[name] = value
    return Done("POST", "/cloud_archive/done", message, b"{}", json, 200)


RIGHT = {"cloud_type": "google_drive", "failed_photos": 0, "archive_type": "originals"}


def test_a_right_done_call_is_no_lie():
    """The seed's three fields and our headers are what the gallery is to get."""
    assert find_wrong_done_calls([make_done(RIGHT)], "j", "u", "google_drive") == []


@pytest.mark.parametrize(
    "dones",
    [
        [],
        [make_done(RIGHT | {"failed_photos": 1})],
        [make_done(RIGHT | {"more": 1})],
        [make_done(RIGHT), make_done(RIGHT, **{"Idempotency-Key": "other"})],
    ],
)
def test_wrong_done_calls_are_told(dones):
    """No call, another body, or another key is not a success."""
    assert find_wrong_done_calls(dones, "j", "u", "google_drive")


def test_photos_stand_in_nested_albums_with_cyrillic_names_and_differ():
    """The demo's gallery shows what the job is about."""
    photos = draw_photos(10, 5000)
    assert [len(photo.data) for photo in photos] == [5000] * 10
    assert len({photo.md5 for photo in photos}) == 10
    assert {0, 1, 2} == {photo.name.count("/") for photo in photos}
    assert any(not photo.name.isascii() for photo in photos)


def test_faults_strike_in_the_middle_unless_told_otherwise():
    """What happens once per photo goes wrong after half of them; values are numbers where they look so."""
    fault = parse_fault("upload:drop_midway", 24)
    assert (fault.on, fault.does, fault.after, fault.times) == ("upload", "drop_midway", 12, 1)
    fault = parse_fault("photo:status:status=503:times=3:after=2", 24)
    assert (fault.get("status"), fault.times, fault.after) == (503, 3, 2)
    assert parse_fault("done:drop_after", 24).after == 0


@pytest.mark.parametrize("text", ["", "upload", "upload:nothing_known", "token:partial"])
def test_unknown_faults_are_refused(text):
    """A fault that could not strike is an error, not a demo without it."""
    with pytest.raises(ValueError):
        parse_fault(text, 24)


def test_bytes_are_written_for_people():
    """Powers of ten, as clouds count."""
    assert [write_bytes(count) for count in (0, 999, 1000, 7_200_000, 1_500_000_000)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "7.2 MB",
        "1.50 GB",
    ]


def test_tree_shows_folders_with_their_photos():
    """Folders stand above what is in them, with counts that include folders inside."""
    assert write_tree([ONE, TWO]) == (
        "  A/  (2 photos, 30 B)\n    1.jpg  10 B\n    B/  (1 photo, 20 B)\n      2.jpg  20 B"
    )


def test_big_tree_is_folders_only():
    """Three hundred names are no summary."""
    many = [(f"A/{number}.jpg", 1, "") for number in range(300)]
    assert write_tree(many) == "  A/  (300 photos, 300 B)"


class Terminal(io.StringIO):
    """A terminal that remembers what was drawn."""

    def isatty(self) -> bool:
        """Tell that people look at it."""
        return True


def test_bar_moves_on_one_line_of_a_terminal_and_never_back():
    """Redrawn after a carriage return; bytes of an upload begun anew are not taken back."""
    terminal = Terminal()
    bar = ProgressBar(1000, terminal)
    for arrived in (0, 500, 400, 2000):
        bar.draw(arrived, now=True)
    bar.end()
    shares = [line[line.index("]") + 1 :].split()[0] for line in terminal.getvalue().split("\r")[1:]]
    assert shares == ["0%", "50%", "50%", "100%"]
    assert terminal.getvalue().count("\n") == 1


def test_bar_writes_lines_elsewhere():
    """A log gets whole lines, and only now and then."""
    log = io.StringIO()
    bar = ProgressBar(1000, log)
    for arrived in range(0, 1000, 10):
        bar.draw(arrived)
    bar.draw(1000, now=True)
    bar.end()
    assert len(log.getvalue().splitlines()) == 1
    assert "100%" in log.getvalue()
    assert "\r" not in log.getvalue()
