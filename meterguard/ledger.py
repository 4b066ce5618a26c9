"""STUB of the helper's."""

from .usage import Balance


class LedgerReport:
    def __init__(self, ledger, scope=None, settle=dict):
        self._l, self._s, self._f = ledger, scope, settle

    def summary(self):
        free = self._f()
        out = {}
        for a in self._l.accounts():
            if a.scope == self._s:
                mine = free.get(a.key, 0)
                out[a.name] = Balance(
                    a.unit,
                    a.drawn,
                    a.charged,
                    a.held - mine,
                    a.left + mine,
                    a.lost,
                    a.credit,
                    sum(o.units for o in a.orders) + sum(u.units for u in a.unresolved),
                )
        return out

    def lines(self):
        self._f()
        return list(self._l.usage())

    def records(self, since=None, until=None, by=("entitlement",), bucket="hour"):
        from collections import defaultdict
        from datetime import UTC, datetime, timedelta

        from .usage import UsageRecord

        sums = defaultdict(int)
        for key, quantity in self.lines():
            sums[key.name, key.unit, key.subject if "subject" in by else None, key.hour] += quantity
        return [
            UsageRecord(n, u, s, datetime.fromtimestamp(h, UTC), datetime.fromtimestamp(h, UTC) + timedelta(hours=1), q)
            for (n, u, s, h), q in sums.items()
        ]
