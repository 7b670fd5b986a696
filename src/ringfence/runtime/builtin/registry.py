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
_NAME = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?P<china>\.cn)?"
    r"/(?P<repository>[a-z-]+)(?::[\w.-]+)?"
)


@dataclass(frozen=True, slots=True)
class Framework:
    """`module`: what the container is for, as Python imports it; `python` for none."""

    module: str

    def installed(self) -> bool:
        return self.module == "python" or find_spec(self.module) is not None


_REPOSITORIES = {"sagemaker-scikit-learn": Framework("sklearn"), "sagemaker-xgboost": Framework("xgboost")}
# Ours, in whatever account: AWS has no container that is only Python.
_PLAIN = "ringfence-python"


def framework_of(name: str) -> Framework | None:
    """What the image of this name runs; None if it is not a built-in one."""
    match = _NAME.fullmatch(name)
    if match is None or (match["china"] is not None) != match["region"].startswith("cn-"):
        return None
    if match["repository"] == _PLAIN:
        return Framework("python")
    if ACCOUNTS.get(match["region"]) != match["account"]:
        return None
    return _REPOSITORIES.get(match["repository"])
