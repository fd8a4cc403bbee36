"""How much to provision, and why: pure functions of plain numbers.

May import: no other room.

Hands out: the frozen types that travel between the rooms (model), the decision of one axis and the joining of both
(calculator), maintenance windows (windows), names to sections (matching).
"""
