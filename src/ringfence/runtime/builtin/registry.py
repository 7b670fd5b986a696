"""Which image names are the built-in ones: AWS's own registries and repositories, and one of ours. Pure.

https://docs.aws.amazon.com/sagemaker/latest/dg-ecr-paths/sagemaker-algo-docker-registry-paths.html
Called by rootfs.py.
"""

import re
from dataclasses import dataclass
from importlib.util import find_spec

# Of sagemaker-scikit-learn and, from 0.90 on, sagemaker-xgboost.
ACCOUNTS = {
   "af-south-1": "510948584623", "ap-east-1": "651117190479", "ap-northeast-1": "354813040037",
   "ap-northeast-2": "366743142698", "ap-northeast-3": "867004704886", "ap-south-1": "720646828776",
   "ap-south-2": "628508329040", "ap-southeast-1": "121021644041", "ap-southeast-2": "783357654285",
   "ap-southeast-3": "951798379941", "ap-southeast-4": "106583098589", "ca-central-1": "341280168497",
   "ca-west-1": "190319476487", "cn-north-1": "450853457545", "cn-northwest-1": "451049120500",
   "eu-central-1": "492215442770", "eu-central-2": "680994064768", "eu-north-1": "662702820516",
   "eu-south-1": "978288397137", "eu-south-2": "104374241257", "eu-west-1": "141502667606",
   "eu-west-2": "764974769150", "eu-west-3": "659782779980", "il-central-1": "898809789911",
   "me-central-1": "272398656194", "me-south-1": "801668240914", "sa-east-1": "737474898029",
   "us-east-1": "683313688378", "us-east-2": "257758044811", "us-gov-east-1": "237065988967",
   "us-gov-west-1": "414596584902", "us-west-1": "746614075791", "us-west-2": "246618743249",
}  # fmt: skip
# Of pytorch-training and pytorch-inference in most regions: AWS's Deep Learning Containers.
# https://github.com/aws/deep-learning-containers/blob/master/available_images.md
_DEEP_LEARNING = "763104351884"
_DEEP_LEARNING_ELSEWHERE = {
   "af-south-1": "626614931356", "ap-east-1": "871362719292", "ap-east-2": "975050140332",
   "ap-northeast-3": "364406365360", "ap-south-2": "772153158452", "ap-southeast-3": "907027046896",
   "ap-southeast-4": "457447274322", "ap-southeast-5": "550225433462", "ap-southeast-6": "633930458069",
   "ap-southeast-7": "590183813437", "ca-west-1": "204538143572", "cn-north-1": "727897471807",
   "cn-northwest-1": "727897471807", "eu-central-2": "380420809688", "eu-south-1": "692866216735",
   "eu-south-2": "503227376785", "il-central-1": "780543022126", "me-central-1": "914824155844",
   "me-south-1": "217643126080", "mx-central-1": "637423239942", "us-gov-east-1": "446045086412",
   "us-gov-west-1": "442386744353",
}  # fmt: skip
_NAME = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?P<china>\.cn)?"
    r"/(?P<repository>[a-z-]+)(?::[\w.-]+)?"
)


@dataclass(frozen=True, slots=True)
class Framework:
    """`module`: what the container is for, as Python imports it; `python` for none. `own`: it has an environment of its
    own, which `install` makes; else it is in the daemon's.
    """

    module: str
    title: str
    install: str
    own: bool = False

    def installed(self) -> bool:
        """Of one in the daemon's environment."""
        return self.module == "python" or find_spec(self.module) is not None


_SCIKIT_LEARN = Framework("sklearn", "scikit-learn", "make setup")
_XGBOOST = Framework("xgboost", "XGBoost", "pip install 'ringfence[xgboost]'")
_PYTORCH = Framework("torch", "PyTorch", "make pytorch", own=True)
_REPOSITORIES = {"sagemaker-scikit-learn": _SCIKIT_LEARN, "sagemaker-xgboost": _XGBOOST}
_DEEP_LEARNING_REPOSITORIES = {"pytorch-training": _PYTORCH, "pytorch-inference": _PYTORCH}
# Ours, in whatever account: AWS has no container that is only Python.
_PLAIN = "ringfence-python"


def framework_of(name: str) -> Framework | None:
    """What the image of this name runs; None if it is not a built-in one."""
    match = _NAME.fullmatch(name)
    if match is None or (match["china"] is not None) != match["region"].startswith("cn-"):
        return None
    account, region, repository = match["account"], match["region"], match["repository"]
    if repository == _PLAIN:
        return Framework("python", "Python", "make setup")
    if repository in _REPOSITORIES and ACCOUNTS.get(region) == account:
        return _REPOSITORIES[repository]
    if _DEEP_LEARNING_ELSEWHERE.get(region, _DEEP_LEARNING) == account:
        return _DEEP_LEARNING_REPOSITORIES.get(repository)
    return None


def what_to_install(name: str) -> str | None:
    """What makes an image of this name be there, if it is a built-in one and is not there; for people."""
    framework = framework_of(name)
    if framework is None:
        return None
    return f"{framework.title} is not installed on the machine of Ringfence: run `{framework.install}` there"
