"""``python -m ops.cli``: the command line without its installed script, for processes that start it."""

from ops.cli.main import main

if __name__ == "__main__":
    main()
