"""The command line, `python -m bcq_tf COMMAND`: one file a command."""
