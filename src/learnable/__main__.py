"""`python -m learnable` is the command line, and what torchrun starts."""

from learnable.cli.main import main

if __name__ == "__main__":
    main()
