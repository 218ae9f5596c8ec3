"""`python -m codeai`."""

from codeai.cli.main import main

main()
