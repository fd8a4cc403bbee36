"""What the user wants: flags and file to one checked config dict.

May import: decisions, output.

Hands out: THE table of options (options), the config dict with every problem found (loader), its sections ready for the
decisions (sections), what the log says of it first (announcement), what `--show-schedule` prints (timetable), where the
region comes from (regions), what capacity costs (prices). Behind the loader, `inifile` reads a file, `converters` one
value, `merging` joins the layers of a section, `schedules` checks when they hold, and `doubts` warns of what was
perhaps meant otherwise.
"""
