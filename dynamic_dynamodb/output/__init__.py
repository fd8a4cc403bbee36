"""What people read: the log, the terminal, and text that is safe to show.

May import: no other room.

Hands out: the logging set-up (logs), lines on stderr and colour (terminal), masking of secrets and control characters
(masking), where user and password of a URL are (urls), pieces of sentences (wording), times for machines (moments).
It knows nothing of what the texts are about.
"""
