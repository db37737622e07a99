"""Control interface: HTTP routes under /sandbox/ by which another process adds faults and inspects results.

It stands for no real endpoint; it shares the gallery's host.
"""

import re
from typing import TYPE_CHECKING, Any

from sandbox.faults.plan import Fault
from sandbox.gallery.host import Gallery
from sandbox.http.message import Reply, Request, json_reply
from sandbox.http.service import Route

if TYPE_CHECKING:
    from sandbox.world import World


class Control(Gallery):
    """The gallery's stand-in with the control routes added."""

    def __init__(self, world: "World", *common: Any):
        super().__init__(*common)
        self._world = world
        self.routes = (
            Route("POST", re.compile(r"/sandbox/faults"), "", self._add_fault),
            Route("GET", re.compile(r"/sandbox/faults"), "", self._list_fired),
            Route("DELETE", re.compile(r"/sandbox/faults"), "", self._clear_faults),
            Route("GET", re.compile(r"/sandbox/(?P<cloud>[a-z_]+)/(?P<login>[^/]+)"), "", self._list_files),
            Route("GET", re.compile(r"/sandbox/dones"), "", self._list_dones),
            Route("GET", re.compile(r"/sandbox/violations"), "", self._list_violations),
            Route("GET", re.compile(r"/sandbox/archives"), "", self._list_archives),
            *self.routes,
        )

    def _add_fault(self, request: Request) -> Reply:
        try:
            self._world.faults.add(Fault(**request.json()))
        except (TypeError, ValueError) as problem:
            return json_reply({"error": str(problem)}, 400)
        return json_reply({}, 201)

    def _clear_faults(self, _request: Request) -> Reply:
        self._world.faults.clear()
        return json_reply({})

    def _list_fired(self, _request: Request) -> Reply:
        fired = [{"does": each.fault.does, "on": each.operation} for each in self._world.faults.fired]
        return json_reply(fired)

    def _list_files(self, _request: Request, cloud: str, login: str) -> Reply:
        # By the name that jobs use, or that the stand-in has in faults.
        storages = {each.storage.name: each.storage for each in self._world.clouds.values()}
        storages |= {name: each.storage for name, each in self._world.clouds.items()}
        if cloud not in storages:
            return json_reply({"error": f"there is no {cloud}"}, 404)
        return json_reply(storages[cloud].account(login).tree())

    def _list_dones(self, _request: Request) -> Reply:
        dones = [{"headers": dict(each.headers), "json": each.json, "status": each.status} for each in self.dones]
        return json_reply(dones)

    def _list_violations(self, _request: Request) -> Reply:
        return json_reply(self._world.violations)

    def _list_archives(self, _request: Request) -> Reply:
        archives = [{"name": each.name, "url": each.url, "expected": each.expected()} for each in self.archives()]
        return json_reply(archives)
