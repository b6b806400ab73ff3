"""What each argument of an optimizer means, in a line: for `help`, and for the page of optimizers.

A name means one thing in all rules and stages, or `Class.name` says what it means in that one.
"""

from __future__ import annotations

__all__ = ["MEANINGS", "meaning"]

MEANINGS = {
    # what every rule has
    "lr": "learning rate: what a step is multiplied by",
    "betas": "how much of each running mean is kept per step, in the order of the equations",
    "eps": "keeps a division by zero away",
    "weight_decay": "how strongly weights are pulled to zero",
    "momentum": "how much of the running sum or mean of gradients is kept per step",
    "nesterov": "looks ahead: the step takes the momentum with this gradient in it once more",
    "maximize": "goes up instead of down",
    # the arguments of every optimizer
    "params": "a model, its parameters, pairs of a name and a parameter, or groups of them",
    "decay_filter": 'which parameters decay: "no_bias_norm", a function of (name, parameter), or '
    "None for all",
    "average": "EMA(...) or SWA(...): an average of the weights, kept in the same pass",
    "state_dtype": 'the type of the states: "param" for that of the parameter, or "float32"',
    "foreach": "taken as torch's classes take it; chooses nothing, for there is one path",
    "fused": "chooses nothing; True lets a GradScaler leave the unscaling to the step",
    "capturable": "taken as torch's classes take it; chooses nothing",
    "differentiable": "lets autograd through the step, down to lr and betas",
    # what the first Mytorch's classes take besides
    "SGD.lr_decay": "the share that lr loses, from time to time",
    "beta1": "betas[0], by a name of its own",
    "beta2": "betas[1], by a name of its own",
    # kinds of weight decay
    "decoupled_weight_decay": "decays the weights themselves, as in AdamW, and not the gradient",
    "Decay.weight_decay": "added to the gradient, times the weight; or decoupled, if that is asked",
    "DecoupledDecay.weight_decay": "the share of itself, times lr, that a weight loses per step",
    "StepDecay.weight_decay": "added to the step's direction, times the weight",
    "CautiousDecay.weight_decay": "the same, where the step makes the weight smaller as well",
    "CorrectedDecay.weight_decay": "the share, times lr^2 / max_lr, that a weight loses per step",
    "CorrectedDecay.corrected": "whether the decay falls with the square of lr",
    "CorrectedDecay.max_lr": "the highest lr of the schedule; 0 for the highest so far",
    "wd_ratio": "how much of the decay is left where the step is projected",
    # means and their corrections
    "amsgrad": "divides by the largest second moment so far",
    "amsbound": "divides by the largest second moment so far",
    "centered": "takes the mean gradient out of the second moment: a variance",
    "dampening": "how much less of a gradient goes into the momentum",
    "rectify": "scales a step by how much its second moment can be trusted, as RAdam does",
    "RMSprop.alpha": "how much of the mean of squares is kept per step",
    "Adadelta.rho": "how much of the means of squares is kept per step",
    "Adadelta.eps": "added to both means of squares: with it, the first steps grow or shrink",
    "Adagrad.lr_decay": "lr falls as 1 / (1 + (t - 1) lr_decay)",
    "initial_accumulator_value": "what the sum or mean of squares starts as",
    "ASGD.lambd": "how fast lr falls, and how strongly weights are pulled to zero by it",
    "ASGD.alpha": "the power with which lr falls",
    "ASGD.t0": "the step at which averaging begins",
    "NAdam.momentum_decay": "how slowly the momentum comes up to betas[0]",
    "RAdam.n_sma_threshold": "up to how many effective gradients a step is not rectified",
    "RAdam.warmup_mode": 'what a step does before that: "sgd" moves by the momentum, "skip" waits',
    "Rprop.etas": "by how much a step shrinks where the sign turns, and grows where it stays",
    "Rprop.step_sizes": "the smallest and the largest step",
    "Rprop.lr": "the first step of every weight",
    "warmup_steps": "over how many steps lr comes up to its full value",
    "partial": "the power that the second moment is divided with: 0.5 is Adam, 0 is momentum",
    "final_lr": "what the rate of every weight comes down or up to, as SGD's would be",
    "AdaBound.gamma": "how soon the bounds close on final_lr",
    "nu": "the share of the momentum in a step; the rest is the gradient of now",
    "nus": "the shares of the two running means in a step; the rest is the gradient of now",
    "no_prox": "decays before the step, as AdamW, and not by a division after it",
    "AdEMAMix.alpha": "how many times the slow mean counts beside the fast one",
    "AdEMAMix.t_alpha": "over how many steps alpha comes up; 0 for at once",
    "AdEMAMix.t_beta3": "over how many steps the slow mean's beta comes up; 0 for at once",
    "SimplifiedAdEMAMix.alpha": "how many times the gradient of now counts beside the momentum",
    "beta1_warmup": "over how many steps the momentum's beta comes up; 0 for at once",
    "min_beta1": "the beta that this warm-up begins with",
    "ADOPT.clip": "limits each normalized gradient to t^(1/4), as the paper's second version",
    "AdamAtan2.a": "what a step is multiplied by beside lr",
    "AdamAtan2.b": "what the root is multiplied by inside the arctangent",
    "FTRL.beta": "added to the root of the sum of squares",
    "lambda_1": "how strongly small weights are made exactly zero",
    "lambda_2": "how strongly weights are pulled to zero",
    "AdamP.delta": "below which cosine of weights and gradient a step is projected",
    "delta": "below which cosine of weights and gradient a step is projected",
    "norm_eps": "keeps a division by a norm of zero away",
    "MARS.gamma": "how strongly the change of the gradient is taken into it",
    "optimize_1d": "treats vectors as matrices are; else they get AdamW",
    "lr_1d": "lr of the vectors, as a multiple of lr",
    "betas_1d": "betas of the vectors",
    "weight_decay_1d": "weight_decay of the vectors",
    "Amos.beta": "how much of the mean of squares is kept per step",
    "Amos.eta": "the size that weights are expected to have; 0 for one told from the shape",
    "Amos.zeta": "how strongly the rate falls",
    # spikes and resets
    "SPAM.threshold": "above how many times its mean square a gradient is a spike and is cut",
    "reset_every": "after how many steps the moments are forgotten",
    "clip_after": "how many steps behind a reset spikes are cut again",
    "SPAM.warmup_steps": "over how many steps lr comes back behind a reset",
    "gamma1": "how much of the mean norm of gradients is kept per step",
    "gamma2": "how much of the mean square norm of gradients is kept per step",
    "theta": "how much of the mean of largest gradients is kept per step",
    "eta_min": "the share of betas[0] and gamma1 that is left at the end",
    "total_steps": "the steps over which they fall; 0 for never",
    # rates that find themselves
    "d0": "a first guess of the distance to the solution, too small rather than too large",
    "d_coef": "what the estimated distance is multiplied by: above 1 for bolder steps",
    "growth_rate": "by how much the estimated distance may grow per step",
    "use_bias_correction": "corrects the bias of the moments, as Adam does",
    "decouple": "decays the weights themselves, as in AdamW, and not the gradient",
    "r": "the power of t by which later weights count more in the average",
    "weight_lr_power": "the power of lr by which weights count in the average",
    "silent_sgd_phase": "waits until a step can be rectified",
    # layers and matrices
    "LARS.trust": "the length of a step as a share of its tensor's length, beside lr",
    "clip_threshold": "the root mean square that a step may have",
    "ns_coefficients": "of the polynomial whose iteration makes a matrix orthogonal",
    "ns_steps": "how many times it is iterated",
    "adjust_lr_fn": 'what lr is scaled by: "original" for the shape as Jordan has it, '
    '"match_rms_adamw" for steps of AdamW\'s size',
    "precondition_frequency": "after how many steps the bases or roots are renewed",
    "shampoo_beta": "how much of the two matrices is kept per step",
    "Shampoo.eps": "added to the diagonal of the two matrices",
    # another gradient
    "SAM.rho": "how far away the second gradient is taken",
    "SAM.adaptive": "measures that distance by the sizes of the weights",
    "Sophia.rho": "where a step is clipped: smaller for more clipping",
    "Sophia.batch_size": "how many samples, or tokens, the sampled loss has",
    "Sophia.k": "after how many steps the curvature is estimated anew",
    # stages
    "Lookahead.alpha": "how far the slow weights go towards the fast ones",
    "Lookahead.k": "after how many steps they do",
    "Centralize.use": "takes the mean out of each row of a gradient",
    "Centralize.conv_only": "does so for convolutions only",
    "Centralize.normalize": "divides by the standard deviation as well",
    "max_norm": "the norm that all gradients together may have",
    "clip_value": "the size that each element of a gradient may have",
    "clip_factor": "the norm of a row of a gradient, as a share of that of its weights",
    "clip_eps": "the norm that weights are taken to have at least",
    "GrokFast.alpha": "how much of the slow mean of gradients is kept per step",
    "lamb": "how many times the slow mean is added to the gradient",
    "ExponentialAverage.decay": "how much of the average is kept per step",
    "EqualAverage.start": "the first step whose weights are in the average",
    "EqualAverage.every": "of how many steps one is in the average",
}


def meaning(owner: str, name: str) -> str:
    """What a setting of a rule or a stage means, or an argument of every optimizer; empty where
    nobody has said it."""
    return MEANINGS.get(f"{owner}.{name}") or MEANINGS.get(name, "")
