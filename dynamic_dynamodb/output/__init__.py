"""What people read: the log, the output on the terminal, and text that is safe to show.

May import: no other room.

Provides: the set-up of logging (logs), lines on stderr and colours (terminal), masking of secrets and control
characters (masking), the place of user and password in a URL (urls), parts of sentences (wording), times for programs
(moments). It knows nothing about the content of the texts.
"""
