"""Words of earlier versions, and what is said or done where they still stand."""

STRATEGIES = {"fixed": "linear_probe", "early_fixed": "early_probe", "init": "retrain"}

KEYS = {
    "control": "baseline",
    "early_fixed": "early_probe",
    "init": "retrain",
    "optimiser": "optimizer",
    "sgd_rate": "sgd_lr",
    "adamw_rate": "adamw_lr",
    "sgd_decay": "sgd_weight_decay",
    "adamw_decay": "adamw_weight_decay",
    "learning_rate": "lr",
}

GONE = {
    "ruler": "is gone: no measurement showed that it decides better than experience does",
    "duplicate_cosine": "is now `duplicate_likeness`, of pictures in register, by default 0.85",
    "depth_tolerance": "is now `stage_tolerance`, which asks what stages a head sees, by default "
    "0.03",
    "min_skill": "is now `head_skill`, from which a head may be enough, by default 0.97",
    "synthesize": "now stands in config/synthetic.yaml",
    "pretrain": "now stands in config/synthetic.yaml",
}

VERBS = {
    "control": "is now `baseline`",
    "rehearse": "is now `compare`",
    "ruler": GONE["ruler"],
    "suspects": "is now `label-errors`",
}
