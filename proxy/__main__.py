"""`python -m proxy` is `virtualsms-proxy`."""

from proxy.cli import main

main(prog_name="virtualsms-proxy")
