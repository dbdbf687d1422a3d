"""``python -m limbeck`` is the ``limbeck`` command."""

from limbeck.cli.app import main

main()
