"""How much to provision, and why: pure functions of plain numbers.

May import: no other room.

Provides: the frozen types that all rooms use (model), the decision about one axis and the joining of both (calculator),
exact sums (exact), maintenance windows (windows), the times at which schedules hold (schedules), the section of a name
(matching), and notes on throttled events that no increase ends (throttling). For target tracking: how much to provision
(tracking), the known minutes (history), recurring loads (recurring), and learning from throttled minutes (learning).
"""
