"""What a configuration would have done, and what it would have cost: the real loop against the model of AWS.

May import: aws, checks, configuration, decisions, output, simulation.

Hands out: the rehearsal that the command line asks for (command), demand from files, shops and CloudWatch (tracefile,
shop, history), one run of a configuration (play), its rivals (rivals), and what came of them (outcome).
"""
