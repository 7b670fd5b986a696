"""AWS's services: names, addresses, VPC endpoints. The one table that all of these come from.

A service that is in the table but not served by Ringfence is refused by the gateway, by name; its endpoints, routes and
names are there all the same, as a VPC has them. Read by `addresses` for the resolver, the compiler, the EC2 handlers
and the gateway's routing; it holds no behaviour but look-ups.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

EndpointType = Literal["Gateway", "Interface"]
_INTERFACE: tuple[EndpointType, ...] = ("Interface",)
_BOTH: tuple[EndpointType, ...] = ("Gateway", "Interface")

# https://docs.aws.amazon.com/general/latest/gr/sagemaker.html
_FIPS_US = ("us-east-1", "us-east-2", "us-west-1", "us-west-2")
_FIPS_API = (*_FIPS_US, "ca-central-1", "ca-west-1", "us-gov-east-1", "us-gov-west-1")
# SageMaker has no endpoints in this Availability Zone.
_WITHOUT = ("use1-az3",)


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """`service`: how the names of its endpoint services end. `api`: what botocore calls it.

    `names` (public), `private_names` (of an interface endpoint with private DNS, the one to show first) and
    `vpce_tails` (what follows an endpoint's id, the one to show first) are templates; `{r}` is the region, a leading
    `*.` stands for any label. `host`: last byte of the public address. `endpoints`: the kinds of VPC endpoint that it
    has. `regions`: where it is, everywhere if empty; `zones_without`: ids of zones without interface endpoints.
    """

    service: str
    api: str
    host: int
    names: tuple[str, ...]
    private_names: tuple[str, ...] = ()
    vpce_tails: tuple[str, ...] = ()
    endpoints: tuple[EndpointType, ...] = ()
    endpoint_service: str = "com.amazonaws.{r}.{service}"
    plain_http: bool = False
    policy_supported: bool = True
    region_free: bool = False
    regions: tuple[str, ...] = ()
    zones_without: tuple[str, ...] = ()

    def endpoint_service_name(self, region: str) -> str:
        """`com.amazonaws.us-west-2.sagemaker.api`"""
        return self.endpoint_service.format(r=region, service=self.service)


def _plain(service: str, host: int, name: str, *more: str, api: str | None = None) -> ServiceFacts:
    """A service whose interface endpoint owns its public name `<name>.{r}.amazonaws.com`, of several."""
    full = f"{name}.{{r}}.amazonaws.com"
    tail = f"{name}.{{r}}.vpce.amazonaws.com"
    return ServiceFacts(service, api or service, host, (full, *more), (full,), (tail,), _INTERFACE)


def _below(service: str, host: int, name: str) -> ServiceFacts:
    """A service whose names are those below `<name>.{r}.amazonaws.com`: a registry of each account, say."""
    names = (f"*.{name}.{{r}}.amazonaws.com",)
    return ServiceFacts(service, service, host, names, names, (f"{name}.{{r}}.vpce.amazonaws.com",), _INTERFACE)


def _sagemaker(
    service: str, host: int, name: str, api: str, *more: str, regions: tuple[str, ...] = (), policy: bool = True
) -> ServiceFacts:
    """One of SageMaker's APIs; `name` is what stands before `.{r}.amazonaws.com`."""
    full, tail = f"{name}.{{r}}.amazonaws.com", f"{name}.{{r}}.vpce.amazonaws.com"
    # the page writes `VPC_Endpoint_ID.api.featurestore-runtime…`, endpoints show it without `.api`: both lead there
    # https://docs.aws.amazon.com/sagemaker/latest/dg/interface-vpc-endpoint.html
    tails = (tail, f"api.{tail}") if "featurestore" in service else (tail,)
    return ServiceFacts(
        f"sagemaker.{service}", api, host, (full, *more), (full,), tails, _INTERFACE,
        policy_supported=policy, regions=regions, zones_without=_WITHOUT,
    )  # fmt: skip


def _application(service: str, host: int, name: str) -> ServiceFacts:
    """What people open in a browser: `name` stands before `.sagemaker.aws`, below it a label for each domain."""
    private = (f"*.{name}.sagemaker.aws", f"{name}.sagemaker.aws")
    tail = f"{service}.{{r}}.vpce.sagemaker.aws"
    return ServiceFacts(
        service, f"sagemaker-{service}", host, private, private, (tail,), _INTERFACE,
        endpoint_service="aws.sagemaker.{r}.{service}", zones_without=_WITHOUT,
    )  # fmt: skip


_S3_NAMES = tuple(
    star + name
    for name in ("s3.{r}.amazonaws.com", "s3-{r}.amazonaws.com", "s3.dualstack.{r}.amazonaws.com")
    for star in ("", "*.")
)
# Access points and S3 Control share S3's addresses and endpoints.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html
_S3_OTHERS = ("*.s3-accesspoint.{r}.amazonaws.com", "*.s3-control.{r}.amazonaws.com")
# Buckets of Amazon Linux 1 and 2 under their own names, over http too. No interface endpoint takes these names.
LINUX_REPOSITORIES = ("packages.{r}.amazonaws.com", "repo.{r}.amazonaws.com", "amazonlinux.{r}.amazonaws.com")

SERVICES: tuple[ServiceFacts, ...] = (
    ServiceFacts(
        "s3", "s3", 10, (*_S3_NAMES, *_S3_OTHERS, *LINUX_REPOSITORIES), (*_S3_NAMES[:2], *_S3_OTHERS),
        ("s3.{r}.vpce.amazonaws.com",), _BOTH, plain_http=True,
    ),
    ServiceFacts(
        "dynamodb", "dynamodb", 138, ("dynamodb.{r}.amazonaws.com",), (), ("dynamodb.{r}.vpce.amazonaws.com",), _BOTH,
        plain_http=True,
    ),
    _sagemaker("api", 11, "api.sagemaker", "sagemaker", "api.sagemaker.{r}.api.aws"),
    _sagemaker("runtime", 12, "runtime.sagemaker", "sagemaker-runtime", "runtime.sagemaker.{r}.api.aws"),
    _plain("sts", 13, "sts"),
    _plain("ec2", 14, "ec2", "ec2.{r}.api.aws"),
    _plain("logs", 15, "logs", "logs.{r}.api.aws"),
    _plain("monitoring", 16, "monitoring", "monitoring.{r}.api.aws", api="cloudwatch"),
    ServiceFacts("iam", "iam", 17, ("iam.amazonaws.com",), region_free=True),
    ServiceFacts("sts.global", "sts", 18, ("sts.amazonaws.com",), region_free=True),
    ServiceFacts("organizations", "organizations", 19, ("organizations.us-east-1.amazonaws.com",), region_free=True),
    ServiceFacts("route53", "route53", 20, ("route53.amazonaws.com",), region_free=True),
    _sagemaker("api-fips", 21, "api-fips.sagemaker", "sagemaker", regions=_FIPS_API),
    # https://docs.aws.amazon.com/sagemaker/latest/dg/interface-vpc-endpoint.html : no endpoint policies on this one
    _sagemaker("runtime-fips", 22, "runtime-fips.sagemaker", "sagemaker-runtime", regions=_FIPS_US, policy=False),
    _sagemaker("featurestore-runtime", 23, "featurestore-runtime.sagemaker", "sagemaker-featurestore-runtime"),
    _sagemaker(
        "featurestore-runtime-fips", 24, "featurestore-runtime.sagemaker-fips", "sagemaker-featurestore-runtime",
        regions=_FIPS_US,
    ),
    _sagemaker("metrics", 25, "metrics.sagemaker", "sagemaker-metrics"),
    _application("studio", 26, "studio.{r}"),
    _application("notebook", 27, "notebook.{r}"),
    _application("experiments", 28, "{r}.experiments"),
    _application("partner-app", 29, "partner-app.{r}"),
    _plain("ecr.api", 30, "api.ecr", api="ecr"),
    _below("ecr.dkr", 31, "dkr.ecr"),
    _plain("kms", 32, "kms"),
    _plain("secretsmanager", 33, "secretsmanager"),
    _plain("servicecatalog", 34, "servicecatalog"),
    _plain("elasticfilesystem", 35, "elasticfilesystem", api="efs"),
    _plain("ssm", 36, "ssm"),
    _plain("events", 37, "events"),
    _plain("application-autoscaling", 39, "application-autoscaling"),
    # what a data platform's VPC has beside SageMaker's
    # https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html
    _plain("athena", 40, "athena"),
    _plain("glue", 41, "glue"),
    _plain("lakeformation", 42, "lakeformation"),
    _plain("lambda", 43, "lambda"),
    _plain("states", 44, "states", api="stepfunctions"),
    _plain("sns", 45, "sns"),
    _plain("sqs", 46, "sqs"),
    _plain("codecommit", 47, "codecommit"),
    _plain("git-codecommit", 48, "git-codecommit"),
    _plain("codeartifact.api", 49, "codeartifact", api="codeartifact"),
    _plain("codebuild", 50, "codebuild"),
    _plain("codepipeline", 51, "codepipeline"),
    _plain("cloudformation", 52, "cloudformation"),
    _plain("cloudtrail", 53, "cloudtrail"),
    _plain("config", 54, "config"),
    _plain("xray", 55, "xray"),
    _plain("bedrock", 56, "bedrock"),
    _plain("bedrock-runtime", 57, "bedrock-runtime"),
    _plain("bedrock-agent", 58, "bedrock-agent"),
    _plain("bedrock-agent-runtime", 59, "bedrock-agent-runtime"),
    _plain("autoscaling", 60, "autoscaling"),
    _plain("elasticloadbalancing", 61, "elasticloadbalancing", api="elbv2"),
    _plain("batch", 62, "batch"),
    _plain("ssmmessages", 63, "ssmmessages"),
    _plain("ec2messages", 64, "ec2messages"),
    _plain("kinesis-streams", 65, "kinesis", api="kinesis"),
    _plain("kinesis-firehose", 66, "firehose", api="firehose"),
    _plain("redshift", 67, "redshift"),
    _plain("redshift-data", 68, "redshift-data"),
    _plain("rds", 69, "rds"),
    _plain("rds-data", 70, "rds-data"),
    _plain("elasticmapreduce", 71, "elasticmapreduce", api="emr"),
    _plain("emr-serverless", 72, "emr-serverless"),
    _below("codeartifact.repositories", 73, "d.codeartifact"),
    _below("execute-api", 74, "execute-api"),
    ServiceFacts("directconnect", "directconnect", 38, ("directconnect.{r}.amazonaws.com",)),
)  # fmt: skip
# Without a region in the name S3 answers with the daemon's own region.
S3_GLOBAL_NAMES = ("s3.amazonaws.com", "*.s3.amazonaws.com")

BY_SERVICE = {facts.service: facts for facts in SERVICES}


def services_in(region: str) -> Iterator[ServiceFacts]:
    """Those with an address of their own in the region."""
    return (facts for facts in SERVICES if not facts.region_free and (not facts.regions or region in facts.regions))
