"""Prints medians and ratios of bench/run.sh's results: lines of `work system rate p50`."""

import collections
import statistics
import sys

rates = collections.defaultdict(list)
p50s = collections.defaultdict(list)
for line in open(sys.argv[1], encoding="utf-8"):
    work, system, rate, p50 = line.split()
    rates[work, system].append(float(rate))
    p50s[work, system].append(float(p50))

print(f"{'work':<18}{'kvorum/s':>12}{'p50 ms':>8}  against (median; ratio of rates, ours : theirs)")
for work in dict.fromkeys(work for work, _ in rates):
    if (work, "kvorum") not in rates:
        continue
    ours = statistics.median(rates[work, "kvorum"])
    row = f"{work:<18}{ours:>12,.0f}{statistics.median(p50s[work, 'kvorum']):>8.3f}"
    for system in ("redis", "etcd"):
        if (work, system) in rates:
            theirs = statistics.median(rates[work, system])
            row += (f"  {system} {theirs:,.0f}/s p50 {statistics.median(p50s[work, system]):.3f}: "
                    f"{ours / theirs:.2f}x")
    print(row)
