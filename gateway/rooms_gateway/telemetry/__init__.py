"""What operators see: log lines, metrics, traces, and what is left out of them.

The parts that have something to tell know `observers` alone; the composition root decides who
listens. So a gateway without an admin listener pays for no metrics, and two gateways in one process
do not share any.
"""
