"""`python -m bunkerctl` is `bunkerctl`."""

from bunkerctl.cli import main

main()
