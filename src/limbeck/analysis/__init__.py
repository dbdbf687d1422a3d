"""Statistics of a run: plain arrays in, numbers with intervals out; imports nothing of ours."""

from .agreement import Agreement, NoiseCeiling, answer_agreement, noise_ceiling
from .alignment import aligned
from .calibration import Bin, Calibration, reliability
from .clustered import clustered_difference, clustered_mean, ratio_of_means
from .corrections import benjamini_hochberg, corrected, holm
from .correlation import partial_spearman, spearman
from .differences import anova, one_sample_t, wilcoxon
from .diversity import distinct_n, self_bleu
from .estimate import Comparison, Effect, Estimate
from .judged import JudgeAgreement, Judged, judge_agreement, judged, preferences
from .labels import kappa, macro_f1
from .mixed import MixedModel, mixed_model
from .passes import mean_pass_at_k, pass_at_k
from .power import Detectable, mcnemar_power, minimum_detectable
from .reasoning import Steps, equation_jaccard, operator_similarity, step_ratio
from .statistics import (
    mcnemar,
    mean_interval,
    paired_bootstrap,
    paired_ratio_bootstrap,
    proportion,
    ratio_of_sums,
)
from .subdomains import (
    Partition,
    Recovery,
    Subdomains,
    by_correctness,
    by_loss,
    by_subdomain,
    recovery,
)
from .tokens import by_position, by_rarity, token_means

__all__ = [
    "Agreement",
    "Bin",
    "Calibration",
    "Comparison",
    "Detectable",
    "Effect",
    "Estimate",
    "JudgeAgreement",
    "Judged",
    "MixedModel",
    "NoiseCeiling",
    "Partition",
    "Recovery",
    "Steps",
    "Subdomains",
    "aligned",
    "anova",
    "answer_agreement",
    "benjamini_hochberg",
    "by_correctness",
    "by_loss",
    "by_position",
    "by_rarity",
    "by_subdomain",
    "clustered_difference",
    "clustered_mean",
    "corrected",
    "distinct_n",
    "equation_jaccard",
    "holm",
    "judge_agreement",
    "judged",
    "kappa",
    "macro_f1",
    "mcnemar",
    "mcnemar_power",
    "mean_interval",
    "mean_pass_at_k",
    "minimum_detectable",
    "mixed_model",
    "noise_ceiling",
    "one_sample_t",
    "operator_similarity",
    "paired_bootstrap",
    "paired_ratio_bootstrap",
    "partial_spearman",
    "pass_at_k",
    "preferences",
    "proportion",
    "ratio_of_means",
    "ratio_of_sums",
    "recovery",
    "reliability",
    "self_bleu",
    "spearman",
    "step_ratio",
    "token_means",
    "wilcoxon",
]
