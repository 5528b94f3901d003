"""The ledger of writes: the types of its rows, and what is known about a write."""

KIND = "ledger"

WRITE, SETTLED_ROW, BALANCE, FOUND, END = "write", "settled", "balance", "found", "end"
READ_BACK_BEGUN, READ_BACK_ENDED = "read-back-begun", "read-back-ended"
"""Types of rows: a write's own response; a state that was polled; a balance; a state that a read-back found."""

ACCEPTED, REFUSED, UNKNOWN = OUTCOMES = ("accepted", "refused", "unknown")
"""What the response to a write said; unknown: there was none, or an error that leaves it open."""

SETTLED, ROLLED_BACK, PENDING, MISSING, UNREADABLE = STATES = (
    "settled",
    "rolled_back",
    "pending",
    "missing",
    "unreadable",
)
"""What the application says about a write later, the best state first."""

FINAL = (SETTLED, ROLLED_BACK)
START = "start"  # the label of the balances before the first write
