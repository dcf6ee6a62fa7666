"""Take bulk from the running Python: its standard library's source files, and its pydoc pages as a web archive."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from pile_curate.demo.dumps import put
from pile_curate.demo.web import record, response
from pile_curate.errors import SetupError

SOURCES = """
abc argparse ast asyncio/events asyncio/futures asyncio/locks asyncio/queues asyncio/streams asyncio/tasks
base64 bisect calendar cmd code codecs collections/__init__ colorsys concurrent/futures/_base
concurrent/futures/thread configparser contextlib copy csv dataclasses difflib dis email/header
email/message email/parser enum filecmp fnmatch fractions functools getopt gettext glob graphlib gzip hashlib
heapq hmac html/parser http/client http/cookies http/server inspect ipaddress json/__init__ json/decoder
json/encoder json/scanner linecache locale logging/__init__ logging/config mimetypes multiprocessing/pool
multiprocessing/queues netrc numbers operator optparse os pathlib pickle pkgutil platform posixpath pprint
profile queue random reprlib sched secrets selectors shelve shlex shutil signal socket socketserver
sqlite3/dump statistics string stringprep subprocess symtable tarfile tempfile textwrap threading timeit token
tokenize tomllib/_parser trace traceback types typing unittest/case unittest/loader unittest/main urllib/parse
urllib/robotparser uuid warnings wave weakref wsgiref/handlers xml/dom/minidom xml/etree/ElementTree zipfile
"""
"""Files of the standard library, without ``.py``; those that this Python lacks are passed over."""

PAGES = """
abc argparse array ast base64 bisect calendar cmd code codecs collections collections.abc colorsys configparser
contextlib copy csv dataclasses datetime decimal difflib dis email.message enum fnmatch fractions functools
getopt gettext glob graphlib gzip hashlib heapq hmac html html.parser http.client http.cookies inspect io ipaddress
itertools json json.decoder json.encoder linecache locale logging logging.handlers mailbox math mimetypes numbers
operator optparse os.path pathlib pickle pickletools pkgutil platform plistlib pprint queue random re reprlib sched
secrets selectors shelve shlex shutil signal socketserver sqlite3.dump stat statistics string struct subprocess symtable
sysconfig tarfile tempfile textwrap threading time timeit tokenize trace traceback types unicodedata unittest
urllib.parse urllib.request urllib.robotparser uuid warnings wave weakref xml.dom.minidom xml.etree.ElementTree
xmlrpc.client zipfile zlib
"""
"""Modules whose pages are made: none opens a window, talks to the network or prints when it is imported."""

_URL = "https://pydoc.example/{}.html"
_SECONDS = 120


def fingerprint() -> str:
    """Return a digest of what decides the pages, apart from Python itself."""
    files = (Path(__file__), Path(__file__).with_name("pydoc_pages.py"), Path(__file__).with_name("web.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def copy_sources(directory: Path) -> int:
    """Copy the listed files and the licence below ``directory``; return how many."""
    root = Path(sysconfig.get_path("stdlib"))
    names = [f"{name}.py" for name in SOURCES.split()] + ["LICENSE.txt"]
    found = [name for name in names if (root / name).is_file()]
    if len(found) < len(names) // 2:
        raise SetupError(
            f"{root} holds only {len(found)} of the {len(names)} source files that the demo is made of; "
            "use a Python that was installed with its standard library's source"
        )
    for name in found:
        put(directory / name, (root / name).read_bytes())
    return len(found)


def pydoc_warc() -> bytes:
    """Return a web archive with one page a module, made in a process of its own."""
    info = b"software: pydoc, by pile_curate demo\r\n"
    records = [record("warcinfo", "", info, "application/warc-fields", "pydoc")]
    for module, page in sorted(_pages().items()):
        headers = {"Content-Type": "text/html; charset=utf-8"}
        records.append(response(_URL.format(module), 200, headers, page.encode("utf-8")))
    return b"".join(records)


def _pages() -> dict[str, str]:
    """Run pydoc with a clean environment: a page must not depend on who asks for it, or where."""
    package = Path(__file__).parents[2]
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.pathsep.join([str(package), *filter(None, sys.path)]),
        "PYTHONHASHSEED": "0",
        "PYTHONIOENCODING": "utf-8",
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }
    command = [sys.executable, "-W", "ignore", "-m", "pile_curate.demo.pydoc_pages", *PAGES.split()]
    done = subprocess.run(
        command, capture_output=True, env=environment, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise SetupError(f"pydoc failed: {done.stderr.decode('utf-8', 'replace')[-500:]}")
    pages: dict[str, str] = json.loads(done.stdout)
    if not pages:
        raise SetupError("pydoc made no page at all")
    return pages
