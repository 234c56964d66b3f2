"""``python -m der_gym.cli``: the command where it is not on the path."""

from der_gym.cli import main

if __name__ == "__main__":
    main()
