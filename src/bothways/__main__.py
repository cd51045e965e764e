"""python -m bothways does what the command bothways does."""

from bothways.cli import main

if __name__ == "__main__":
    main()
