"""Pages of the demo: a gallery with a save button, and the contents of a guest's cloud.

`templates/gallery.html` and `templates/saved.html` show how a gallery's frontend calls the service.
"""

import re
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from sandbox.clouds import CLOUDS
from sandbox.gallery.host import Archive
from sandbox.http.message import Reply, Request, text_reply
from sandbox.http.service import Route
from sandbox.storage.tree import Account, Item
from sandbox.world import World

TITLES = {cloud.name: cloud.title for cloud in CLOUDS}

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True, trim_blocks=True
)


def open_pages(world: World, web_url: str) -> str:
    """Add the pages to the gallery's stand-in.

    Args:
        world: the stand-ins, with at least one gallery.
        web_url: address of `web`.

    Returns:
        Address of the first page.
    """
    pages = Pages(world, web_url)
    # Before the gallery's own routes, which take every path for a photo's.
    world.gallery.routes = (*pages.routes, *world.gallery.routes)
    # Links to folders lead to where they can be looked at: Drive's API tells them, Disk's are made from its address.
    world.drive.web_url = world.gallery.url
    world.yandex.routes = (pages.disk_route, *world.yandex.routes)
    return f"{world.gallery.url}/"


class Pages:
    """The pages. Thread-safe."""

    def __init__(self, world: World, web_url: str) -> None:
        self._world = world
        self._web_url = web_url
        self._accounts: Mapping[str, Callable[[str], Account[Any]]] = {
            name: cloud.storage.account for name, cloud in world.clouds.items()
        }
        clouds = "|".join(TITLES)
        paths: dict[str, Callable[..., Reply]] = {
            r"/": self._show_gallery,
            r"/ok": self._show_saved,
            r"/fail": self._show_not_saved,
            rf"/cloud/(?P<cloud>{clouds})/(?P<login>[^/]+)": self._show_cloud,
            rf"/cloud/(?P<cloud>{clouds})/(?P<login>[^/]+)/(?P<item>[^/]+)": self._show_photo,
            # Where Drive's own links lead to, but for the host.
            r"/drive/folders/(?P<item>[^/]+)": self._show_drive,
        }
        self.routes = tuple(Route("GET", re.compile(path), "", answer) for path, answer in paths.items())
        # Where Disk's own links lead to, but for the host.
        self.disk_route = Route("GET", re.compile(r"/client/disk(?P<path>(/.*)?)"), "", self._find_in_disk)

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
            clouds=TITLES,
            web_url=request.query.get("web") or self._web_url,
        )

    def _show_saved(self, _request: Request) -> Reply:
        return _page("saved.html")

    def _show_not_saved(self, _request: Request) -> Reply:
        return _page("not_saved.html")

    def _show_cloud(self, request: Request, cloud: str, login: str) -> Reply:
        login = urllib.parse.unquote(login)
        return self._list(cloud, self._accounts[cloud](login), request.query.get("folder", ""))

    def _show_drive(self, _request: Request, item: str) -> Reply:
        account = self._world.drive.owner(item)
        return self._list("google_drive", account, item) if account else text_reply("there is no such folder", 404)

    def _find_in_disk(self, request: Request, path: str) -> Reply:
        # A path tells of no guest, so it is the one who is signed in.
        login = self._world.yandex_accounts.signed_in(request) or "guest"
        folder = self._world.yandex.account(login).find(tuple(urllib.parse.unquote(path).strip("/").split("/")))
        query = urllib.parse.urlencode({"folder": folder.id} if folder else {})
        reply = text_reply("", 302)
        reply.headers["Location"] = (
            f"{self._world.gallery.url}/cloud/yadisk/{urllib.parse.quote(login, safe='')}?{query}"
        )
        return reply

    def _list(self, cloud: str, account: Account[Any], folder: str) -> Reply:
        top = account.items.get(folder)
        inside = [each for each in account.files() if top is None or _is_below(account, each, folder)]
        above = len(account.path(top)) + 1 if top else 0
        albums: dict[str, list[Item]] = {}
        for item in sorted(inside, key=account.path):
            albums.setdefault(account.path(item)[above:].rpartition("/")[0], []).append(item)
        return _page(
            "cloud.html",
            cloud=TITLES[cloud],
            login=account.login,
            folder=account.path(top) if top else "",
            albums=dict(sorted(albums.items())),  # first what stands in the folder itself
            address=f"/cloud/{cloud}/{urllib.parse.quote(account.login, safe='')}",
            count=len(inside),
        )

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
    reply = text_reply(_TEMPLATES.get_template(template).render(titles=TITLES, **values), kind="text/html")
    reply.headers["Cache-Control"] = "no-store"
    return reply
