"""What the user wants: flags and file to one checked config dict.

May import: decisions, output.

Hands out: THE table of options (options), the config dict with every problem found (loader), its sections ready for the
decisions (sections), what the log says of it first (announcement). `inifile` reads a file, `converters` one value.
"""
