"""The pages a guest sees in the pretend world: a photographer's gallery with a button, and what stands in a cloud.

How a gallery's frontend talks to us is in `templates/gallery.html` and `templates/saved.html`: to be copied from.
"""

import re
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from sandbox.gallery import Archive
from sandbox.message import Reply, Request, text_reply
from sandbox.service import Route
from sandbox.tree import Account, Item
from sandbox.world import World

CLOUDS = {"google_drive": "Google Drive", "yadisk": "Yandex Disk"}

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True, trim_blocks=True
)


def open_pages(world: World, web_url: str) -> str:
    """Let a world's gallery show pages.

    Args:
        world: the pretend one; has a gallery that can be copied.
        web_url: where `web` is.

    Returns:
        The address of the first page.
    """
    pages = Pages(world, web_url)
    # Before the gallery's own routes, which take every path for a photo's.
    world.gallery.routes = (*pages.routes, *world.gallery.routes)
    return f"{world.gallery.url}/"


class Pages:
    """The pages. Thread-safe."""

    def __init__(self, world: World, web_url: str) -> None:
        self._world = world
        self._web_url = web_url
        self._accounts: Mapping[str, Callable[[str], Account[Any]]] = {
            "google_drive": world.drive.account,
            "yadisk": world.yandex.account,
        }
        paths: dict[str, Callable[..., Reply]] = {
            r"/": self._show_gallery,
            r"/ok": self._show_saved,
            r"/fail": self._show_not_saved,
            r"/cloud/(?P<cloud>google_drive|yadisk)/(?P<login>[^/]+)": self._show_cloud,
            r"/cloud/(?P<cloud>google_drive|yadisk)/(?P<login>[^/]+)/(?P<item>[^/]+)": self._show_photo,
            # Where Drive's own links lead to, but for the host.
            r"/drive/folders/(?P<item>[^/]+)": self._show_folder,
        }
        self.routes = tuple(Route("GET", re.compile(path), "", answer) for path, answer in paths.items())

    def _show_gallery(self, request: Request) -> Reply:
        archives = self._world.gallery.archives()
        wanted = request.query.get("archive", "")
        archive = next((each for each in archives if each.path == wanted), archives[0] if archives else None)
        if archive is None:
            return text_reply("there is no gallery yet", 404)
        return _page(
            "gallery.html",
            archive=archive,
            archives=archives,
            albums=_sort_into_albums(archive),
            clouds=CLOUDS,
            web_url=request.query.get("web") or self._web_url,
        )

    def _show_saved(self, _request: Request) -> Reply:
        return _page("saved.html")

    def _show_not_saved(self, _request: Request) -> Reply:
        return _page("not_saved.html")

    def _show_cloud(self, _request: Request, cloud: str, login: str) -> Reply:
        return self._list(cloud, urllib.parse.unquote(login), None)

    def _show_folder(self, request: Request, item: str) -> Reply:
        return self._list("google_drive", request.query.get("login", "guest"), item)

    def _list(self, cloud: str, login: str, folder: str | None) -> Reply:
        account = self._accounts[cloud](login)
        inside = [each for each in account.files() if folder is None or _is_below(account, each, folder)]
        albums: dict[str, list[Item]] = {}
        for item in sorted(inside, key=account.path):
            albums.setdefault(account.path(item).rpartition("/")[0], []).append(item)
        address = f"/cloud/{cloud}/{urllib.parse.quote(login, safe='')}"
        return _page("cloud.html", cloud=CLOUDS[cloud], login=login, albums=albums, address=address, count=len(inside))

    def _show_photo(self, _request: Request, cloud: str, login: str, item: str) -> Reply:
        found = self._accounts[cloud](urllib.parse.unquote(login)).items.get(urllib.parse.unquote(item))
        if found is None or not found.content or found.content.data is None:
            return text_reply("the bytes were not kept", 404)
        return Reply(200, found.content.data, {"Content-Type": "image/jpeg", "Cache-Control": "max-age=600"})


def _sort_into_albums(archive: Archive) -> dict[str, list[dict[str, Any]]]:
    albums: dict[str, list[dict[str, Any]]] = {}
    for entry in archive.manifest:
        album, _, name = str(entry["name"]).rpartition("/")
        albums.setdefault(album, []).append({"name": name, "url": entry["url"]})
    # What is in no album comes last.
    return dict(sorted(albums.items(), key=lambda each: (not each[0], each[0])))


def _is_below(account: Account[Any], item: Item, folder: str) -> bool:
    above: Item | None = item
    while above and above.id != folder:
        above = account.items.get(above.parent)
    return above is not None


def _page(template: str, **values: object) -> Reply:
    reply = text_reply(_TEMPLATES.get_template(template).render(**values), kind="text/html")
    reply.headers["Cache-Control"] = "no-store"
    return reply
