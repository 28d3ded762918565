"""Run the command: python -m struere_local."""

from . import main

main()
