"""A workspace to push: a Node server without dependencies that says which version it is."""

import contextlib
import pathlib
import tempfile


@contextlib.contextmanager
def folder(files):
    with tempfile.TemporaryDirectory(prefix="ck-bench-source-") as path:
        for name, text in files.items():
            pathlib.Path(path, name).write_text(text)
        yield path


def server(version):
    return (
        "const http = require('node:http');\n"
        f"http.createServer((_, answer) => answer.end('version {version}\\n')).listen(process.env.PORT || 3000);\n"
    )


# The same server, as an image of its own.
BUILT = {
    "docker-compose.yml": "services: {app: {build: ., expose: ['3000']}}\n",
    "Dockerfile": "FROM workspace-node-ephemeral:latest\nCOPY index.js /srv/\nCMD [\"node\", \"/srv/index.js\"]\n",
}


@contextlib.contextmanager
def deployed(one, more=()):
    """The server, live as `/app/`; gives its folder."""
    with folder({"index.js": server("first"), "package.json": "{}"} | dict(more)) as path:
        one.aws("sync", path, "s3://workspaces/app")
        one.until_answers("/app/", "version first")
        one.cli("wait", "app")
        yield path
