"""Start the server: `python monailabel_app/serve.py --studies FOLDER`; see docs/server.md.

In place of `monailabel start_server`, which listens to everybody and has no limits.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import logging
import os
import signal
import sys
from pathlib import Path

APP = Path(__file__).resolve().parent
# Seconds that requests have to be done in once the server is told to end.
_LAST_ORDERS = 10
# What MONAI Label's settings are unless the environment says otherwise; it reads them when it is imported.
_SETTINGS = {
    "MONAI_LABEL_APP_DIR": str(APP),
    "MONAI_LABEL_DICOMWEB_SEARCH_FILTER": json.dumps({"Modality": "MR"}),
    "MONAI_LABEL_SESSIONS": "false",
    "MONAI_LABEL_TASKS_TRAIN": "false",
    "MONAI_LABEL_TASKS_STRATEGY": "false",
    "MONAI_LABEL_TASKS_SCORING": "false",
    "MONAI_LABEL_DATASTORE_FILE_EXT": json.dumps(["*.nii.gz", "*.nii", "*.nrrd"]),
}


def main() -> None:
    """Run the command line."""
    from metasrgan.cli.console import run_for_exit_code

    options = _make_parser().parse_args()
    sys.exit(run_for_exit_code(lambda: _serve(options)))


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Serve Meta-SRGAN by MONAI Label.")
    parser.add_argument("--studies", required=True, help="a folder of volumes, or the address of a DICOMweb store")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default 127.0.0.1: this machine)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen at (default 8000)")
    parser.add_argument("--token-file", type=Path, help="the token that clients send; or METASRGAN_TOKEN")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:N or mps")
    parser.add_argument("--queue", type=int, default=16, help="requests that may wait while one is done (default 16)")
    parser.add_argument("--upload-limit", type=float, default=1024, help="MiB that a request may hold (default 1024)")
    parser.add_argument("--memory", type=float, default=8, help="GiB for a volume and its result (default 8)")
    return parser


def _serve(options: argparse.Namespace) -> None:
    """Serve until told to stop.

    Raises:
        UsageError: an option that makes no sense, or is not safe.
        InputMissingError: no such folder of studies, or no token file.
    """
    import uvicorn
    from metasrgan.errors import InputMissingError, UsageError
    from metasrgan.upscaling.remote import read_token

    token = read_token(options.token_file)
    if token is None and not _is_loopback(options.host):
        raise UsageError(f"--host {options.host}: others can reach it, so a token is needed; give --token-file")
    if not 0 <= options.queue <= 32:
        raise UsageError(f"--queue {options.queue} is not a length of a queue; give 0 … 32")
    for name in ("upload_limit", "memory"):
        if not getattr(options, name) > 0:
            raise UsageError(f"--{name.replace('_', '-')} {getattr(options, name)} is not a size; give more than 0")
    remote = options.studies.startswith(("http://", "https://"))
    if not remote and not Path(options.studies).is_dir():
        raise InputMissingError(f"{options.studies}: no such folder; give one that holds volumes")
    studies = options.studies if remote else str(Path(options.studies).resolve())
    conf = json.dumps({"device": options.device, "memory": str(options.memory)})
    os.environ |= _SETTINGS | dict(os.environ)
    os.environ |= {"MONAI_LABEL_STUDIES": studies, "MONAI_LABEL_APP_CONF": conf}
    # The process that a batch runs in finds the app by this.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(APP), *filter(None, [os.environ.get("PYTHONPATH")])])

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    from monailabel.config import settings
    from monailabel.interfaces.utils.app import app_instance
    from service.guard import Guard
    from service.routes import build_server

    if settings.MONAI_LABEL_AUTH_ENABLE:
        raise UsageError(
            "MONAI_LABEL_AUTH_ENABLE: MONAI Label 0.8.5 refuses every token of its realm; give --token-file"
        )
    instance = app_instance()
    instance.server_mode(True)
    guarded = Guard(build_server(instance), token, int(options.upload_limit * 2**20), options.queue + 1)
    # So that being told to end is as orderly as Ctrl-C, which takes temporary files along.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    uvicorn.run(
        guarded,
        host=options.host,
        port=options.port,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_LAST_ORDERS,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    main()
