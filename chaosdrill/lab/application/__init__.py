"""The lab's application: the HTTP interface of the core-banking sample, one server per region.

``python -m chaosdrill.lab.application PLAN.json REGION`` serves a region on both its load balancer addresses.
"""
