"""How much to provision, and why: pure functions of plain numbers.

May import: no other room.

Hands out: the frozen types that travel between the rooms (model), the decision of one axis and the joining of both
(calculator), exact sums (exact), maintenance windows (windows), times at which schedules hold (schedules), names to
sections (matching), what is told of throttled events that no increase ends (throttling). For target tracking: how much
(tracking), from the minutes that are known (history), what recurs (recurring), and what throttled minutes teach
(learning).
"""
