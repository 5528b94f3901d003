"""Programs that chaosdrill runs on the client host: packed on this machine, delivered and started through SSM.

``pythons`` finds a Python on the host, ``packing`` packs a program into one file (``distributions``: Locust's
dependencies, ``fetching``: those for another Python), ``delivery`` transfers a file, ``program`` is the file's main
module, and ``ssm_locust`` and ``ssm_heartbeat`` are the programs. Any other program for the client host is delivered by
the same code.
"""
