"""The lab's AWS endpoint: moto with this project's extensions, in one process, on one port.

Start it with ``python -m chaosdrill.lab.aws PLAN.json --aws-fd N --dns-udp-fd N --dns-tcp-fd N``. It serves the host on
the inherited sockets and, without ``--outside``, every program in its own network namespace. DNS (see
``chaosdrill.lab.dns``) runs in the same process, because its responses are computed from the endpoint's state.

- ``dispatcher`` selects the service; ``server`` speaks HTTP; ``pages`` are the lab's own (health, impairments).
- ``arc`` is a service that moto lacks. ``stepfunctions``, ``fis``, ``rds``, ``route53``, ``ssm``, ``events`` and
  ``functions`` fix services that it has: each states in its docstring which behaviour of moto 5.2.5 it fixes, and has a
  contract test that fails without the fix. ``pin`` refuses any other version.
- ``machines`` has the reference system's state machines, ``provision`` creates the rest of it.
- Effects on real parts (swap databases, drop packets, run commands) are requested from the supervisor over its control
  socket: ``runtime.ask``.
"""
