"""What a configuration would have done and cost: the real loop against the model of AWS.

May import: aws, checks, configuration, decisions, output, simulation.

Provides: the rehearsal that the command line asks for (command), demand from files, a made-up shop and CloudWatch
(tracefile, shop, history), one run of a configuration (play), its rivals (rivals), and their results (outcome).
"""
