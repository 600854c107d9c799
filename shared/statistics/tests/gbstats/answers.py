"""What gbstats and SciPy answer to cases.json, as answers.json beside it.

    make test-gbstats
    .local/gbstats/bin/python3 shared/statistics/tests/gbstats/answers.py > shared/statistics/tests/gbstats/answers.json

tests/it/gbstats.rs compares the crate with answers.json, and where .local/gbstats is installed with what this prints.
"""

import json
import pathlib

from gbstats.bayesian.tests import EffectBayesianABTest, EffectBayesianConfig
from gbstats.frequentist.tests import (
    FrequentistConfig,
    SequentialConfig,
    SequentialTwoSidedTTest,
    TwoSidedTTest,
)
from gbstats.models.statistics import ProportionStatistic, SampleMeanStatistic
from gbstats.utils import check_srm
from scipy import stats


def statistic(group):
    """A group of users: who converted, or sums in millionths."""
    if "converted" in group:
        return ProportionStatistic(n=group["users"], sum=group["converted"])
    return SampleMeanStatistic(
        n=group["users"], sum=int(group["sum"]) / 1e6, sum_squares=int(group["squares"]) / 1e12
    )


def comparison(case):
    control, variant = statistic(case["control"]), statistic(case["variant"])
    alpha, answers = 1 - case["level"], {}
    for kind in ["absolute", "relative"]:
        config = FrequentistConfig(difference_type=kind, alpha=alpha)
        planned = TwoSidedTTest(control, variant, config).compute_result()
        config = SequentialConfig(
            difference_type=kind, alpha=alpha, sequential_tuning_parameter=case["tuned_for"]
        )
        anytime = SequentialTwoSidedTTest(control, variant, config).compute_result()
        config = EffectBayesianConfig(difference_type=kind, alpha=alpha)
        belief = EffectBayesianABTest(control, variant, config).compute_result()
        errors = [planned.error_message, anytime.error_message, belief.error_message]
        assert not any(errors), (case["name"], errors)
        answers[kind] = {
            "estimate": planned.expected,
            "interval": planned.ci,
            "p_value": planned.p_value,
            "anytime_interval": anytime.ci,
            "anytime_p_value": anytime.p_value,
            "credible_interval": belief.ci,
            "chance_to_beat_control": belief.chance_to_win,
            "loss_of_staying": belief.risk[0],
            "loss_of_choosing": belief.risk[1],
        }
    return answers


def distributions():
    """Figures of the distributions themselves, as [argument, degrees of freedom, value]."""
    freedoms = [1, 1.3, 2, 4, 9.5, 30, 100, 1234.5, 9999, 10000, 20000, 1e6, 1e9, 1e12]
    upper = [0.4, 0.1, 0.025, 0.005, 1e-5]
    return {
        "student_sf": [[t, n, stats.t.sf(t, n)] for n in freedoms for t in [0, 0.1, 1, 1.96, 3, 6, 12]],
        "student_upper_quantile": [[p, n, stats.t.isf(p, n)] for n in freedoms for p in upper],
        "normal_sf": [[x, 0, stats.norm.sf(x)] for x in [-8, -1, 0, 0.5, 1.96, 5, 10, 30]],
        "normal_upper_quantile": [[p, 0, stats.norm.isf(p)] for p in [0.5, 0.3, 0.025, 1e-3, 1e-8, 1e-20]],
        "poisson_at_least": [
            [count, mean, stats.poisson.sf(count - 1, mean)]
            for mean in [1e-6, 0.1, 1, 4.9]
            for count in [0, 1, 2, 10, 40]
        ],
        "chi_squared_sf": [
            [x, n, stats.chi2.sf(x, n)] for n in [1, 2, 5, 19] for x in [1e-9, 0.1, 1, 3.84, 10.83, 100, 1000]
        ],
    }


def main():
    cases = json.loads((pathlib.Path(__file__).parent / "cases.json").read_text())
    answers = {
        "comparisons": {case["name"]: comparison(case) for case in cases["comparisons"]},
        "ratios": {case["name"]: check_srm(case["users"], case["shares"]) for case in cases["ratios"]},
        "distributions": distributions(),
    }
    # One answer a line, so that a difference can be read.
    parts = []
    for part, found in answers.items():
        lines = [f"  {json.dumps(name)}: {json.dumps(answer, default=float)}" for name, answer in found.items()]
        parts.append(f' "{part}": {{\n' + ",\n".join(lines) + "\n }")
    print("{\n" + ",\n".join(parts) + "\n}")


main()
