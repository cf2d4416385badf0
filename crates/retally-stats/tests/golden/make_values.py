"""Writes values.json: what scipy and statsmodels say, for `cargo test -p retally-stats --test golden`.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python make_values.py

Where neither has a method, the formula of its source is calculated here once more, by other means
(root finding, enumeration). The same versions write the same file.
"""

import itertools
import json
import math
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scipy import optimize, stats
from statsmodels.duration.survfunc import SurvfuncRight
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportion_confint,
    samplesize_proportions_2indep_onetail,
)

warnings.simplefilter("ignore")
LEVELS = [0.8, 0.95, 0.99]
RANDOM = np.random.default_rng(7)


def bound(value):
    """JSON knows no NaN: null stands for a bound that is none."""
    value = float(value)
    return None if math.isnan(value) or math.isinf(value) else value


def wilson():
    for tries in [1, 2, 5, 20, 100, 1000, 100000]:
        for successes in sorted({0, 1, tries // 3, tries - 1, tries}):
            for level in LEVELS:
                low, high = proportion_confint(successes, tries, 1 - level, "wilson")
                yield dict(successes=successes, tries=tries, level=level, low=low, high=high)


def newcombe():
    for a, n, b, m in [(56, 70, 48, 80), (9, 10, 3, 10), (5, 56, 0, 29), (10, 10, 0, 20), (0, 5, 0, 5), (82, 100, 64, 100)]:
        for level in LEVELS:
            low, high = confint_proportions_2indep(a, n, b, m, method="newcomb", compare="diff", alpha=1 - level)
            yield dict(first=[a, n], second=[b, m], level=level, low=low, high=high)


def bonett_price():
    for b, c, n in [(3, 12, 40), (0, 0, 5), (5, 0, 5), (1, 2, 20), (30, 10, 100)]:
        for level in LEVELS:
            # As a Wald interval of a mean of n + 2 pairs, of which two discordant ones were added.
            pairs = np.array([1] * (b + 1) + [-1] * (c + 1) + [0] * (n - b - c))
            half = stats.norm.isf((1 - level) / 2) * pairs.std(ddof=0) / math.sqrt(n + 2)
            mean = pairs.mean()
            yield dict(only_first=b, only_second=c, pairs=n, level=level, low=max(mean - half, -1), high=min(mean + half, 1))


def fisher():
    tables = [(1, 9, 11, 3), (0, 5, 5, 0), (0, 5, 0, 5), (5, 0, 5, 0), (3, 2, 2, 3), (82, 18, 64, 36), (8, 2, 1, 5), (1000, 200, 1000, 240), (40000, 10000, 39700, 10300), (1, 0, 0, 1)]
    for a, b, c, d in tables:
        yield dict(first=[a, b], second=[c, d], p=stats.fisher_exact([[a, b], [c, d]]).pvalue)


def mcnemar_values():
    for b, c in [(0, 0), (1, 0), (5, 0), (3, 12), (6, 6), (121, 59), (2000, 1900)]:
        yield dict(only_first=b, only_second=c, p=float(mcnemar([[0, b], [c, 0]], exact=True).pvalue))


def superiority_interval(theta, m, n, level):
    z = stats.norm.isf((1 - level) / 2)

    def excess(x):
        spread = x * (1 - x) * (1 + ((m + n) / 2 - 1) * ((1 - x) / (2 - x) + x / (1 + x))) / (m * n)
        return (theta - x) ** 2 - z * z * spread

    low = 0.0 if theta == 0 else optimize.brentq(excess, 0, min(theta, 1 - 1e-9), xtol=1e-15)
    high = 1.0 if theta == 1 else optimize.brentq(excess, max(theta, 1e-9), 1, xtol=1e-15)
    return low, high


def mann_whitney():
    samples = [
        ([1.0], [2.0]),
        ([1.5, 2.5, 3.5, 9.0, 11.0], [2.0, 8.0, 10.0, 12.0, 14.0, 15.0]),
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]),
        ([1, 1, 1], [1, 1]),
        ([1, 2, 2, 3, 3], [2, 3, 3, 4, 5, 5]),
        ([0, 0, 0, 1, 0, 2], [0, 1, 1, 3, 2]),
        (RANDOM.normal(0, 1, 25).tolist(), RANDOM.normal(0.7, 1, 25).tolist()),
        (RANDOM.normal(0, 1, 60).tolist(), RANDOM.normal(0.3, 1, 40).tolist()),
        (RANDOM.poisson(2, 80).tolist(), RANDOM.poisson(2.5, 90).tolist()),
        ([3] * 30, [3] * 40),
    ]
    for x, y in samples:
        m, n = len(x), len(y)
        has_ties = len(set(x) | set(y)) < m + n
        u = stats.mannwhitneyu(x, y, method="asymptotic").statistic
        if m + n > 50:
            p = stats.mannwhitneyu(x, y, method="asymptotic", use_continuity=True).pvalue
        elif not has_ties:
            p = stats.mannwhitneyu(x, y, method="exact").pvalue
        else:
            ranks = 2 * stats.rankdata(x + y)
            seen = ranks[:m].sum()
            sums = [sum(chosen) for chosen in itertools.combinations(ranks, m)]
            tails = [np.mean([s <= seen for s in sums]), np.mean([s >= seen for s in sums])]
            p = min(1.0, 2 * min(tails))
        if p != p:  # all values are equal
            p = 1.0
        low, high = superiority_interval(u / (m * n), m, n, 0.95)
        yield dict(first=x, second=y, u=u, p=float(p), low=low, high=high)


def signed_rank():
    samples = [
        [1.0],
        [0.5, 1.5, -2.5, 3.5, 4.5, 5.5],
        [1, 1, -1, 2, 2, 3, -2],
        [0, 0, 1, -1, 2],
        RANDOM.normal(0.3, 1, 40).tolist(),
        RANDOM.normal(0.2, 1, 90).tolist(),
        RANDOM.integers(-3, 5, 120).tolist(),
    ]
    for x in samples:
        kept = [d for d in x if d != 0]
        ranks = stats.rankdata(np.abs(kept))
        w = float(sum(r for r, d in zip(ranks, kept) if d > 0))
        has_ties = len(set(np.abs(kept))) < len(kept)
        if len(kept) > 50:
            p = stats.wilcoxon(kept, method="asymptotic", correction=True).pvalue
        elif not has_ties:
            p = stats.wilcoxon(kept, method="exact").pvalue
        else:
            sums = [sum(r for r, s in zip(ranks, signs) if s) for signs in itertools.product([0, 1], repeat=len(kept))]
            p = min(1.0, 2 * min(np.mean([s <= w for s in sums]), np.mean([s >= w for s in sums])))
        yield dict(differences=x, w=w, p=float(p))


def holm():
    for p in [[0.01, 0.04, 0.03, 0.005], [0.5], [1.0, 1.0], [0.02, 0.02, 0.9], RANDOM.uniform(0, 0.1, 12).tolist()]:
        yield dict(p=p, adjusted=multipletests(p, method="holm")[1].tolist())


def spearman():
    samples = [
        [(1, 2), (2, 1), (3, 3)],
        [(1, 5), (2, 6), (3, 7), (4, 8), (5, 7)],
        [(1, 1), (1, 2), (2, 2), (3, 1), (3, 3), (4, 9)],
        [(x, x + e) for x, e in zip(range(60), (RANDOM.normal(0, 30, 60)).tolist())],
        [(1, 1), (2, 2), (3, 3), (4, 4)],
    ]
    for pairs in samples:
        rho, p = stats.spearmanr(*zip(*pairs))
        n, z = len(pairs), stats.norm.isf(0.025)
        if n <= 8:
            x, y = (stats.rankdata(side) - (n + 1) / 2 for side in zip(*pairs))
            p = np.mean([abs(x @ np.array(order)) >= abs(x @ y) - 1e-9 for order in itertools.permutations(y)])
        low = high = None
        if n >= 4 and abs(rho) < 1:
            half = z * math.sqrt((1 + rho**2 / 2) / (n - 3))
            low, high = math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)
        yield dict(pairs=pairs, rho=float(rho), p=float(p), low=low, high=high)


def kaplan_meier():
    samples = [
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [1, 1, 0, 1, 1, 1, 0, 1, 1, 1]),
        ([5, 5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45], [1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1]),
        ([1, 2, 3], [0, 0, 0]),
        ([4.0], [1]),
        ([1, 2, 3, 4], [1, 0, 0, 0]),
        (np.round(RANDOM.exponential(10, 100), 2).tolist(), RANDOM.integers(0, 2, 100).tolist()),
        (np.round(RANDOM.exponential(10, 200), 1).tolist(), (RANDOM.uniform(0, 1, 200) < 0.8).astype(int).tolist()),
    ]
    for times, ended in samples:
        if not any(ended):
            yield dict(times=times, ended=ended, median=None, low=None, high=None)
            continue
        curve = SurvfuncRight(np.array(times, float), np.array(ended))
        low, high = curve.quantile_ci(0.5, method="cloglog")
        yield dict(times=times, ended=ended, median=bound(curve.quantile(0.5)), low=bound(low), high=bound(high))


def quantiles():
    for n in [1, 5, 6, 20, 35, 36, 100, 500]:
        values = np.round(RANDOM.exponential(100, n), 3)
        for share in [0.5, 0.9]:
            found = stats.quantile_test(values, p=share).confidence_interval(0.95)
            low, high = bound(found.low), bound(found.high)
            if low is None or high is None:
                low = high = None
            yield dict(values=values.tolist(), share=share, value=float(np.quantile(values, share)), low=low, high=high)


def sample_size():
    for p, q in [(0.8, 0.7), (0.64, 0.74), (0.05, 0.5), (0.5, 0.51)]:
        n = samplesize_proportions_2indep_onetail(p - q, q, power=0.8, ratio=1, alpha=0.05, alternative="two-sided")
        yield dict(first=p, second=q, plain=float(n))


class SplitMix:
    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        mask = 2**64 - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        x = self.state
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
        x ^= x >> 31
        return (x * limit) >> 64


def level_for(n):
    return 1 - 2 * stats.norm.sf(stats.t.isf(0.025, n - 1) * math.sqrt(n / (n - 1)))


def ratio(clusters):
    return clusters[:, 0].sum() / clusters[:, 1].sum()


def bca(samples, statistic, draws, n):
    """BCa of scipy over given draws; each sample is an index, through which clusters are found."""
    given = SimpleNamespace(bootstrap_distribution=np.array(draws))
    indices = tuple(np.arange(len(sample)) for sample in samples)
    found = stats.bootstrap(indices, statistic, vectorized=False, n_resamples=0, method="BCa", confidence_level=level_for(n), bootstrap_result=given)
    return found.confidence_interval


def bootstraps():
    def clusters(n):
        counts = RANDOM.integers(1, 4, n)
        # Quarters, of which sums are exact in any order.
        return np.column_stack([np.round(RANDOM.exponential(40, n) * counts) / 4, counts]).astype(float)

    for n in [5, 20, 100]:
        a, b = clusters(n), clusters(n + 3)
        a[:, 1] = 1
        random = SplitMix(n)
        draws = [ratio(a[[random.below(n) for _ in range(n)]]) for _ in range(4000)]
        one = bca([a], lambda i: ratio(a[i]), draws, n)
        random = SplitMix(n)
        draws = []
        for _ in range(4000):
            first = ratio(a[[random.below(len(a)) for _ in a]])
            draws.append(first - ratio(b[[random.below(len(b)) for _ in b]]))
        two = bca([a, b], lambda i, j: ratio(a[i]) - ratio(b[j]), draws, n)
        c = b[:n]
        random = SplitMix(n)
        draws = []
        for _ in range(4000):
            chosen = [random.below(n) for _ in range(n)]
            draws.append(ratio(a[chosen]) - ratio(c[chosen]))
        paired = bca([a], lambda i: ratio(a[i]) - ratio(c[i]), draws, n)
        bounds = {k: [v.low, v.high] for k, v in dict(one=one, two=two, paired=paired).items()}
        yield dict(seed=n, first=a.tolist(), second=b.tolist(), **bounds)


def robust_z():
    def costs(n):
        return np.round(RANDOM.lognormal(-1, 0.6, n), 6)

    for values in [[1.0], [2.0, 2.0, 2.0, 9.0], [1.0, 2.0, 3.0, 4.0, 90.0], [0.1] * 12 + [0.3] * 9, costs(20), costs(121)]:
        logarithms = np.log(values)
        median = np.median(logarithms)
        spread = max(stats.median_abs_deviation(logarithms), 0.05)
        z = 0.6745 * (logarithms - median) / spread
        yield dict(values=list(values), median=float(median), spread=float(spread), z=z.tolist())


def main():
    values = dict(
        wilson=wilson(), newcombe=newcombe(), bonett_price=bonett_price(), fisher=fisher(), mcnemar=mcnemar_values(),
        mann_whitney=mann_whitney(), signed_rank=signed_rank(), holm=holm(), spearman=spearman(),
        kaplan_meier=kaplan_meier(), quantile=quantiles(), sample_size=sample_size(), bootstrap=bootstraps(),
        robust_z=robust_z(),
    )
    lines = []
    for name, cases in values.items():
        rows = ",\n".join("    " + json.dumps(case) for case in cases)
        lines.append(f'  "{name}": [\n{rows}\n  ]')
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    Path(__file__).with_name("values.json").write_text(text)


main()
