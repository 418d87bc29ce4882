"""JupyterLab and Notebook on loopback, each with a user and a home of its own, and Chromium to look at them.

Programs are taken from the environment: SQMAGIC_LAB and SQMAGIC_OLD_LAB are the Pythons that have JupyterLab's newest
version (with Notebook 7) and the oldest that is supported, SQMAGIC_KERNEL the one that has sqmagic, SQMAGIC_CHROMIUM
the browser. SQMAGIC_BUILT is a folder in which the extension was built anew (the checkout, with the bundle that it
holds, unless given). Pictures of what was seen are left in SQMAGIC_SEEN (build/browser unless given).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

ROOT = Path(__file__).parent.parent.parent
SEEN = Path(os.environ.get("SQMAGIC_SEEN", ROOT / "build" / "browser"))
BUILT = Path(os.environ.get("SQMAGIC_BUILT", ROOT))
CHROMIUM = os.environ.get("SQMAGIC_CHROMIUM", "/usr/bin/chromium")
KERNEL = os.environ.get("SQMAGIC_KERNEL", sys.executable)
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip
SLOW = int(os.environ.get("SQMAGIC_WAIT", "60")) * 1000


expect.set_options(timeout=SLOW)


@dataclass(frozen=True)
class App:
    """A front end: which Python has it, the module that serves it, and where a notebook and another file are opened."""

    name: str
    python: str
    module: str
    notebook: str
    file: str


NEW = os.environ.get("SQMAGIC_LAB", sys.executable)
OLD = os.environ.get("SQMAGIC_OLD_LAB", "")
# A workspace for each document, or those that were open before would be opened with it.
ROOM = "lab/workspaces/{room}/tree/{name}"
APPS = [
    App("lab", NEW, "jupyterlab", ROOM, ROOM),
    App("notebook", NEW, "notebook", "notebooks/{name}", "edit/{name}"),
]
APPS += [App("old-lab", OLD, "jupyterlab", ROOM, ROOM)] if OLD else []


@dataclass
class Server:
    """A running front end; `home` is the folder that it shows, `said` what the browser's console said."""

    app: App
    port: int
    home: Path
    said: list[str] = field(default_factory=list)

    def url(self, document: str) -> str:
        room, _, kind = document.rpartition(".")
        path = (self.app.notebook if kind == "ipynb" else self.app.file).format(room=f"{room}-{kind}", name=document)
        return f"http://127.0.0.1:{self.port}/{path}?token=t"


@pytest.fixture(scope="session", params=APPS, ids=lambda app: app.name)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    app: App = request.param
    work = tmp_path_factory.mktemp(app.name)
    home = work / "documents"
    home.mkdir()
    _install(work / "share", work)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    folders = {name: str(work / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR",
               "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "HOME")}  # fmt: skip
    Path(folders["HOME"]).mkdir()
    news = Path(folders["JUPYTERLAB_SETTINGS_DIR"]) / "@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text('{"fetchNews": "false"}')
    env = {**os.environ, **folders, "JUPYTER_PATH": str(work / "share"), "OMP_NUM_THREADS": "1"}
    command = [app.python, "-m", app.module, "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
               "--ServerApp.port_retries=0", "--expose-app-in-browser", "--IdentityProvider.token=t",
               f"--ServerApp.root_dir={home}",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # fmt: skip
    SEEN.mkdir(parents=True, exist_ok=True)
    with (SEEN / f"{app.name}.log").open("w") as log:
        running = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT, cwd=work)
    try:
        _wait(f"http://127.0.0.1:{port}/api?token=t", running)
        yield Server(app, port, home)
    finally:
        running.terminate()
        running.wait(20)


_ECHO = """
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel


class Echo(Kernel):
    implementation = implementation_version = banner = "echo"
    language_info = {"name": "R", "mimetype": "text/x-rsrc", "file_extension": ".r", "codemirror_mode": "r"}

    def do_execute(self, code, silent, store_history=True, user_expressions=None, allow_stdin=False, **_):
        self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": "echo: " + code})
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}


IPKernelApp.launch_instance(kernel_class=Echo)
"""


def _install(share: Path, work: Path) -> None:
    """The extension as it was built, a kernel that has the checkout's sqmagic, and one of another language."""
    shutil.copytree(BUILT / "sqmagic" / "_labextension", share / "labextensions" / "sqmagic-labextension")
    _kernel(share, "python3", "python", ["-m", "ipykernel_launcher"])
    (work / "echo.py").write_text(_ECHO)
    _kernel(share, "echo", "R", [str(work / "echo.py")])


def _kernel(share: Path, name: str, language: str, started: list[str]) -> None:
    kernel = share / "kernels" / name
    kernel.mkdir(parents=True)
    spec = {
        "argv": [KERNEL, *started, "-f", "{connection_file}"],
        "display_name": "Python 3" if language == "python" else name,
        "language": language,
        "env": {"PYTHONPATH": str(ROOT)},
    }
    (kernel / "kernel.json").write_text(json.dumps(spec))


def _wait(url: str, running: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until:
        assert running.poll() is None, "the server ended at once; its log lies beside the pictures"
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.3)
    raise AssertionError("the server did not answer")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def blank(chromium: Browser, server: Server) -> Iterator[Page]:
    """A page that keeps what its console says."""
    server.said.clear()
    page = chromium.new_page(viewport={"width": 1400, "height": 1500})
    page.set_default_timeout(SLOW)

    def keep(message: ConsoleMessage) -> None:
        if message.type == "error":
            server.said.append(message.text)

    page.on("console", keep)
    page.on("pageerror", lambda error: server.said.append(f"uncaught: {error}"))
    yield page
    page.close()


def carry_out(page: Page, command: str, **arguments: object) -> None:
    """Runs one of the front end's own commands, as a menu would."""
    page.evaluate("([c, a]) => window.jupyterapp.commands.execute(c, a)", [command, arguments])


def begin(page: Page, command: str) -> None:
    """The same without waiting for its end."""
    page.evaluate("command => { window.jupyterapp.commands.execute(command) }", command)


def ready(page: Page) -> None:
    """Waits until the kernel of the notebook on the page is there and has nothing to do."""
    page.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'")


def themed(page: Page, theme: str) -> None:
    """The front end in its `Light` or `Dark` theme; tests end in the light one, for it is kept."""
    carry_out(page, "apputils:change-theme", theme=f"JupyterLab {theme}")
    light = "true" if theme == "Light" else "false"
    page.wait_for_selector(f"body[data-jp-theme-light={light}]", state="attached")
    page.wait_for_timeout(1000)


AXE = BUILT / "labextension" / "node_modules" / "axe-core" / "axe.min.js"


def faults(page: Page, part: str) -> list[object]:
    """What axe-core finds in a part of the page that keeps someone from reading or using it."""
    assert AXE.exists(), "npm ci in labextension brings axe-core"
    page.add_script_tag(content=AXE.read_text())
    found: list[object] = page.evaluate(
        """async part => (await axe.run(part)).violations
        .filter(v => ['serious', 'critical'].includes(v.impact))
        .map(v => [v.id, v.nodes.map(n => n.html.slice(0, 160)).slice(0, 4)])""",
        part,
    )
    return found


def seen(page: Page, server: Server, name: str) -> None:
    """Leaves a picture of what is on the page."""
    page.screenshot(path=str(SEEN / f"{server.app.name}-{name}.png"))


_ITS_OWN = "uncaught: Cannot read properties of undefined (reading 'schema')"
"""Notebook 7.6 says this of itself, without any extension."""


def errors(server: Server) -> list[str]:
    """What the console said of errors, without what the front end says of itself."""
    return [said for said in server.said if not (server.app.name == "notebook" and said == _ITS_OWN)]
