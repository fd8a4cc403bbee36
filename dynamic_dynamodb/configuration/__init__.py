"""What the user wants: flags and a file become one checked config dict.

May import: decisions, output.

Provides: THE table of options (options), the config dict with every problem found (loader), its sections ready for the
decisions (sections), the first lines of the log (announcement), the output of `--show-schedule` (timetable), the source
of the region (regions), the prices of capacity (prices). Behind the loader, `inifile` reads a file, `converters` one
value, `merging` joins the layers of a section, `schedules` checks when they hold, and `doubts` warns of values that
were perhaps meant otherwise.
"""
