"""python -m rosphere: the same as the command `rosphere`."""

from rosphere.cli.app import main

if __name__ == "__main__":
    main()
