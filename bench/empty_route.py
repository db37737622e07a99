"""`python -m bench.empty_route`: a FastAPI route that does nothing, served as `web` serves its own."""

import os

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.post("/cloud_archive")
async def do_nothing() -> dict[str, str]:
    """Answer."""
    return {}


if __name__ == "__main__":
    uvicorn.run(
        app,
        host=os.environ["WEB_HOST"],
        port=int(os.environ["WEB_PORT"]),
        log_config=None,
        access_log=False,
        proxy_headers=True,
        server_header=False,
    )
