"""`python -m proxy` is `virtualsms-proxy`."""

from proxy.commands.main import main

main(prog_name="virtualsms-proxy")
