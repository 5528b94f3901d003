"""The failover that the system starts by itself: alarms, the EventBridge rule on them, and the initiator that it
starts.
"""
