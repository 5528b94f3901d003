"""Programs on the client host that chaosdrill brings along: packed here, delivered and started through SSM.

``pythons`` finds what runs them there, ``packing`` makes a program one file (``distributions``: what Locust takes,
``fetching``: that for another Python), ``delivery`` brings a file there, ``program`` is what runs there, ``ssm_locust``
is the Locust made of them. Whatever else has to run where the clients are is delivered by the same code.
"""
