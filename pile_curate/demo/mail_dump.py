"""Write the demo's mail as the Enron corpus is published: a tar of a maildir tree, one file a message."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import Any

from pile_curate.demo.dumps import load

_MTIME = 975000000


def dumps() -> dict[str, bytes]:
    """Return the archive, which also holds a bounce, a calendar item and a file that is no message."""
    files: dict[str, bytes] = {}
    counts: dict[str, int] = {}
    for number, mail in enumerate(load("mail.yaml")):
        folder = mail["folder"]
        counts[folder] = counts.get(folder, 0) + 1
        files[f"maildir/{folder}/{counts[folder]}."] = _message(mail, number)
    files["maildir/lund-m/inbox/1."] = (
        b"Message-ID: <7.1@harbour.example>\nFrom: Mail Delivery Subsystem <mailer-daemon@harbour.example>\n"
        b"To: matti.lund@harbour.example\nSubject: Returned mail: user unknown\n\nThe address was not found.\n"
    )
    files["maildir/lund-m/calendar/1."] = (
        b"Message-ID: <7.2@harbour.example>\nFrom: matti.lund@harbour.example\nSubject: Divers\n\n"
        b"CALENDAR ENTRY:\tAPPOINTMENT\n\nDescription:\n\tDivers\n"
    )
    files["maildir/lund-m/inbox/2."] = b"\x00\x01\x02 a damaged sector of the old disk \xff\xfe\n"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), _MTIME
            archive.addfile(info, io.BytesIO(data))
    return {"mail/enron_mail_demo.tar.gz": gzip.compress(buffer.getvalue(), mtime=0)}


def _message(mail: dict[str, Any], number: int) -> bytes:
    headers = {
        "Message-ID": f"<{1000 + number}.JavaMail.evans@harbour>",
        "Date": mail["date"],
        "From": mail["from"],
        "To": mail["to"],
        "Cc": mail.get("cc"),
        "Subject": mail["subject"],
        "Mime-Version": "1.0",
        "Content-Type": "text/plain; charset=us-ascii",
        "Content-Transfer-Encoding": "7bit",
        "X-Folder": "\\" + mail["folder"].replace("/", "\\"),
    }
    body = str(mail["body"])
    if mail.get("enron_debris"):
        # Undecoded quoted-printable, as the corpus has it: blanks at line ends, and soft line ends inside words.
        body = body.replace(".\n", ".=20\n").replace("barge", "bar=\nge", 3)
    if "quoted" in mail:
        body = f"{mail['attribution']}\n{mail['quoted']}\n{body}"
    if "forwarded" in mail:
        body = (
            f"---------------------- Forwarded by Tilda Ferris/HBR/ECT on 11/16/2000 \n11:04 AM "
            f"---------------------------\n\n\nFrom:  {mail['forwarded']}\nTo:\tTilda Ferris/HBR/ECT@ECT\ncc:\t \n"
            f"Subject:\twhat the divers saw\n\n{body}"
        )
    if "signature" in mail:
        body = f"{body}\n\n{mail['signature']}"
    if "outlook" in mail:
        body += (
            f"\n -----Original Message-----\nFrom: \tFerris, Tilda  \nSent:\tMonday, November 13, 2000 8:10 AM\n"
            f"To:\tBrandt, Odo; Gray, Nell\nSubject:\t{mail['outlook']}\n\n{load('mail.yaml')[0]['body']}"
        )
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return ("\n".join(lines) + "\n\n" + body).encode("ascii")
