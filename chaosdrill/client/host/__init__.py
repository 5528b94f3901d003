"""Programs on the client host that chaosdrill brings along: packed here, delivered and started through SSM.

``packing`` makes a program one file, ``delivery`` brings a file there, ``program`` is what runs there, ``ssm_locust``
is the Locust made of them. Whatever else has to run where the clients are is delivered by the same code.
"""
