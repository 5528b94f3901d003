"""Notifications of game days: who is notified of what, over which channels, once each, and whether it arrived.

A channel that fails never fails a drill: :func:`notify` raises nothing for it, is bounded in time, and records it.
"""

from chaosdrill.gamedays.notifications.deliveries import Deliveries
from chaosdrill.gamedays.notifications.delivery import Delivery, Message
from chaosdrill.gamedays.notifications.sending import notify

__all__ = ["Deliveries", "Delivery", "Message", "notify"]
