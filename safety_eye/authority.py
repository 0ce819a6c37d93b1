"""The site's own certificate authority, through the `openssl` program: one root, one broker.

Stations trust this root and nothing else. Certificates are valid from 2020 on, on purpose: a
station whose clock is years late after a power cut must still be able to connect and be told the
time, and an authority that signs only for its own broker loses nothing by it.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from safety_eye.installation import KitError

# A certificate that ends takes every station off the broker in one second: it outlives the
# hardware, and `safety-eye broker check` says it a year before.
_ROOT_DAYS, _SERVER_DAYS = 20 * 365, 10 * 365
_VALID_FROM = "20200101000000Z"
_TIMEOUT_S = 60

_CONFIGURATION = """\
[ca]
default_ca = site
[site]
database = {work}/index.txt
serial = {work}/serial
new_certs_dir = {work}
default_md = sha256
policy = anything
unique_subject = no
[anything]
commonName = supplied
[root]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
[req]
distinguished_name = empty
[empty]
"""


def make_root(directory: Path, site: str, now: dt.datetime) -> None:
    """Make `ca.key` and `ca.crt` in *directory*.

    Raises:
        KitError: `openssl` is missing or refuses.
    """
    _make(directory / "ca", f"Safety Eye {site}", "root", _ROOT_DAYS, now, ("localhost",), None)


def make_server(
    authority: Path, directory: Path, names: Sequence[str], now: dt.datetime, stem: str = "server"
) -> None:
    """Make `server.key` and `server.crt` in *directory*, signed by the root in *authority*.

    Args:
        authority: Where `ca.key` and `ca.crt` are.
        directory: Where the broker's files are.
        names: Host names and addresses under which stations call the broker.
        now: Present time, aware.
        stem: First part of the file names.

    Raises:
        KitError: `openssl` is missing or refuses, or the root's key is not there.
    """
    if not (authority / "ca.key").is_file():
        raise KitError(f"{authority}/ca.key: not here; bring the authority's medium and try again")
    _make(directory / stem, names[0], "server", _SERVER_DAYS, now, names, authority / "ca")


def days_left(certificate: Path, now: dt.datetime) -> int:
    """Return for how many days a certificate is still valid.

    Raises:
        KitError: `openssl` is missing, or it is no certificate.
    """
    text = _openssl("x509", "-in", str(certificate), "-noout", "-enddate")
    # "notAfter=Nov 22 04:34:37 2036 GMT"; GMT is what %z reads as +0000.
    stamp = text.strip().removeprefix("notAfter=").replace("GMT", "+0000")
    return (dt.datetime.strptime(stamp, "%b %d %H:%M:%S %Y %z") - now).days


def _make(
    stem: Path,
    subject: str,
    section: str,
    days: int,
    now: dt.datetime,
    names: Sequence[str],
    signer: Path | None,
) -> None:
    """Make a key and a certificate; a root signs itself."""
    key, certificate = stem.with_suffix(".key"), stem.with_suffix(".crt")
    ends = (now + dt.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")
    issuer = signer or stem
    with tempfile.TemporaryDirectory() as work:
        configuration, request = Path(work, "openssl.cnf"), Path(work, "request")
        Path(work, "index.txt").touch()
        Path(work, "serial").write_text(f"00{secrets.token_hex(15)}\n")
        configuration.write_text(_CONFIGURATION.format(work=work, names=_alternatives(names)))
        _openssl(
            "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-config", str(configuration), "-subj", f"/CN={subject}",
            "-keyout", str(key), "-out", str(request),
        )  # fmt: skip
        _openssl(
            "ca", "-batch", "-notext", "-config", str(configuration),
            *(["-selfsign"] if signer is None else ["-cert", str(issuer.with_suffix(".crt"))]),
            "-keyfile", str(issuer.with_suffix(".key")), "-extensions", section,
            "-startdate", _VALID_FROM, "-enddate", ends,
            "-in", str(request), "-out", str(certificate),
        )  # fmt: skip


def _alternatives(names: Sequence[str]) -> str:
    return ",".join(f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in names)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _openssl(*arguments: str) -> str:
    program = shutil.which("openssl")
    if program is None:
        raise KitError("openssl is not installed here; `sudo apt install openssl`, then try again")
    try:
        done = subprocess.run(  # noqa: S603  # fixed program, arguments checked by the caller
            [program, *arguments],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            umask=0o077,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired as error:
        raise KitError(f"openssl {arguments[0]} did not end within {_TIMEOUT_S} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise KitError(f"openssl {arguments[0]} refused: {lines[-1] if lines else 'no reason'}")
    return done.stdout
