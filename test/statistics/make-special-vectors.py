"""Writes special-vectors.json with mpmath 1.4.1, at 320 digits, of which those near 1e-300 need most: python3 make-special-vectors.py > special-vectors.json"""
import json
from mpmath import mp, mpf, betainc, erfinv, gammainc, loggamma, ncdf, sqrt

mp.dps = 320


def row(args, value):
    return [*args, float(value)]


quantile = lambda p: sqrt(2) * erfinv(2 * mpf(p) - 1)
shapes = [0.01, 0.5, 1, 1.5, 2, 7.25, 40, 333.3, 10_000, 1_000_000]
vectors = {
    "logGamma": [row([x], loggamma(x)) for x in [1e-8, 0.1, 0.5, 0.999, 1, 1.5, 2, 2.0001, 3, 10, 15.5, 171, 1e4, 1e10]],
    "normalCdf": [row([z], ncdf(z)) for z in [-37, -20, -8, -5.5, -3, -1.96, -1, -0.5, -1e-9, 0, 1e-9, 0.3, 1, 1.7320508, 1.96, 3, 6, 9]],
    "normalQuantile": [
        row([p], quantile(p))
        for p in [1e-300, 1e-100, 1e-30, 1e-12, 1e-6, 0.001, 0.025, 0.07, 0.075, 0.3, 0.5, 0.6, 0.925, 0.93, 0.975, 0.999, 0.999999]
    ],
    "upperGamma": [
        row([a, x], gammainc(a, x, regularized=True))
        for a in shapes
        for x in [float(a * f) for f in ([0.5, 0.99, 1, 1.1, 2, 30] if a <= 333.3 else [0.99, 0.999, 1, 1.001, 1.01])]
    ],
    "incompleteBeta": [
        row([x, a, b], betainc(a, b, 0, x, regularized=True))
        for a in [1, 0.5, 2, 20.5, 300]
        for b in [1, 3, 50, 1000]
        for x in [0.001, 0.1, 0.25, 0.5, 0.9]
        if betainc(a, b, 0, x, regularized=True) > 1e-280
    ],
}
print(json.dumps(vectors, separators=(",", ":")))
