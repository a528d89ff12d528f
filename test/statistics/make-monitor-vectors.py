"""Writes monitor-vectors.json with SciPy 1.16.3: python3 make-monitor-vectors.py > monitor-vectors.json"""
import json
import numpy as np
from scipy import stats
from scipy.spatial.distance import jensenshannon

rng = np.random.default_rng(20261129)


def pair(kinds, n, m):
    p, q = rng.dirichlet(np.ones(kinds)), rng.dirichlet(np.ones(kinds))
    return rng.multinomial(n, p).tolist(), rng.multinomial(m, q).tolist()


def g_statistic(left, right):
    table = np.array([[a, b] for a, b in zip(left, right) if a + b > 0]).T
    found = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    return [found.statistic, found.dof]


def binned(left, right):
    x, y = (np.repeat(np.arange(len(c)), c) for c in (left, right))
    return [stats.ks_2samp(x, y).statistic, stats.wasserstein_distance(x, y)]


pairs = [pair(k, n, m) for k, n, m in [(2, 30, 40), (5, 100, 100), (10, 3000, 47), (30, 500, 9000), (3, 1, 1)]]
chances = [rng.uniform(0, 0.05, 7).tolist() + rng.uniform(0, 1, 20).tolist() for _ in range(6)]
samples = [rng.standard_t(3, n).tolist() for n in (1, 2, 5, 8, 101)]
vectors = {
    "jensenShannon": [[l, r, float(jensenshannon(l, r, 2))] for l, r in pairs],
    "gStatistic": [[l, r, *map(float, g_statistic(l, r))] for l, r in pairs],
    "binned": [[l, r, *map(float, binned(l, r))] for l, r in pairs],
    "benjaminiHochberg": [[c, rate, (stats.false_discovery_control(c) <= rate).tolist()] for c in chances for rate in (0.01, 0.1)],
    "robustSpread": [[s, float(np.median(s)), float(np.median(np.abs(np.array(s) - np.median(s))))] for s in samples],
    "studentTails": [[t, v, float(2 * stats.t.sf(abs(t), v))] for t in (-40, -3, 0, 0.5, 2, 12) for v in (1, 4, 7.5, 100)],
    "chiSquareBound": [[p, v, float(stats.chi2.isf(p, v))] for p in (0.9, 0.05, 0.001, 1e-9) for v in (1, 2, 9, 300)],
}
print(json.dumps(vectors, separators=(",", ":")))
