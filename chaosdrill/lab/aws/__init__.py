"""The lab's AWS endpoint: moto with this project's extensions, in one process, on one port.

Start it with ``python -m chaosdrill.lab.aws PLAN.json --aws-fd N --dns-udp-fd N --dns-tcp-fd N``. It serves the host
on the inherited sockets and, unless ``--outside`` is given, everybody in its own network namespace as well; DNS (see
``chaosdrill.lab.dns``) lives in the same process, because its answers are computed from what is kept here.

- ``dispatcher`` picks the service; ``server`` speaks HTTP; ``pages`` are the lab's own (health, impairments).
- ``arc`` is a service moto lacks. ``stepfunctions``, ``fis``, ``rds``, ``route53``, ``ssm``, ``events`` and
  ``functions`` mend services it has: each says in its first lines which behaviour of moto 5.2.5 it mends, and has a
  contract test that fails without it. ``pin`` refuses any other version.
- ``machines`` holds the reference system's state machines, ``provision`` makes the rest of it.
- What happens to real parts (databases swap, packets are lost, commands run) is asked of the supervisor over its
  control socket: ``runtime.ask``.
"""
