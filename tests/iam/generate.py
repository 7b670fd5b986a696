"""Random requests with all their policies, from a seed: most nearly right, with the traps of the language likely.

Values of a policy are made by bending values of the request, so that about half of the statements apply. It stays where
AWS's pages decide: no operator without ForAllValues or ForAnyValue on several values, no half-listed NotPrincipal, no
unreadable numbers. Called by test_differential.py and test_properties.py.
"""

import base64
import random
from collections.abc import Callable
from typing import Any

from naive import Case, Json, Who

HOME, AWAY = "111122223333", "999988887777"
ACTIONS = {
    "s3:GetObject": ["arn:aws:s3:::data/team/a/model.tar.gz", "arn:aws:s3:::data/a:b/c",
        "arn:aws:s3:::repo.eu-west-1.amazonaws.com/x"],
    "s3:PutObject": ["arn:aws:s3:::data/home/alice/f", "arn:aws:s3:::data//x", "arn:aws:s3:::data/*"],
    "s3:ListBucket": ["arn:aws:s3:::data"],
    "s3:DeleteBucketPolicy": ["arn:aws:s3:::data"],
    "sagemaker:InvokeEndpoint": ["arn:aws:sagemaker:us-west-2:111122223333:endpoint/myEndpoint"],
    "sagemaker:CreatePresignedDomainUrl": ["arn:aws:sagemaker:us-west-2:111122223333:user-profile/d-1/joe"],
    "sagemaker:ListEndpoints": ["*"],
    "ec2:CreateNetworkInterface": ["arn:aws:ec2:eu-west-1:111122223333:subnet/subnet-1"],
}  # fmt: skip
STRINGS = ("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase")
LIKES = ("StringLike", "StringNotLike")
COMPARISONS = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
ARNS = ("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike")

Random = random.Random


def case(seed: int) -> Case:
    """The case of a seed."""
    return _Maker(Random(seed)).case()


def chance(rnd: Random, probability: float) -> bool:
    return rnd.random() < probability


def some(rnd: Random, make: Callable[[], Any], most: int = 3) -> list[Any]:
    return [make() for _ in range(rnd.randint(1, most))]


class _Maker:
    def __init__(self, rnd: Random) -> None:
        self.rnd = rnd
        self.action = rnd.choice(list(ACTIONS))
        self.resource = rnd.choice(ACTIONS[self.action])
        self.trust = chance(rnd, 0.12)
        if self.trust:
            self.action, self.resource = "sts:AssumeRole", f"arn:aws:iam::{HOME}:role/team/target"
        self.who = self.principal()
        self.keys = self.context()
        self.boundary_set = self.who.kind in ("user", "role") and chance(rnd, 0.3)

    # ---- the request

    def principal(self) -> Who:
        rnd = self.rnd
        account = AWAY if chance(rnd, 0.25) else HOME
        kind = rnd.choices(["user", "role", "root", "service", "anonymous"], [40, 40, 8, 7, 5])[0]
        if self.trust and kind in ("root", "anonymous"):
            kind = "role"
        if kind == "root":
            return Who(kind, account, f"arn:aws:iam::{account}:root", account)
        if kind == "user":
            name = rnd.choice(["Alice", "team/Bob", "carol.x@y"])
            return Who(kind, account, f"arn:aws:iam::{account}:user/{name}", "AIDAEXAMPLE")
        if kind == "role":
            name, session = rnd.choice(["Exec", "Data-Science"]), rnd.choice(["SageMaker", "i-1", "joe@x.org"])
            path = rnd.choice(["", "service-role/"])
            arn, role = (
                f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
                f"arn:aws:iam::{account}:role/{path}{name}",
            )
            return Who(kind, account, arn, f"AROAEXAMPLE:{session}", role)
        if kind == "service":
            return Who(kind, HOME, rnd.choice(["sagemaker.amazonaws.com", "logs.amazonaws.com"]), "service")
        return Who(kind, "anonymous", "anonymous", "anonymous")

    def context(self) -> dict[str, list[str]]:
        """Condition keys, each likely absent; names now and then in another case."""
        rnd, who = self.rnd, self.who
        pools: dict[str, list[list[str]]] = {
            "aws:SourceIp": [["192.0.2.7"], ["203.0.113.255"], ["2001:db8::1"], ["0.0.0.0"]],
            "aws:VpcSourceIp": [["10.0.1.20"], ["192.0.2.1"]],
            "aws:SourceVpc": [["vpc-111bbaaa"], ["VPC-111bbaaa"]],
            "aws:SourceVpce": [["vpce-111bbccc"], ["vpce-111bbddd"]],
            "aws:PrincipalTag/team": [["red"], ["Red"], [""], ["a/b"]],
            "aws:ResourceTag/team": [["red"], ["blue"], [""]],
            "aws:TagKeys": [["team", "cost"], ["team"], [""], ["Team"], ["cost", "x", "team"]],
            "aws:CalledVia": [["athena.amazonaws.com", "glue.amazonaws.com"]],
            "aws:CurrentTime": [["2026-03-01T12:00:00Z"], ["2026-03-01T12:00:00.500Z"]],
            "aws:EpochTime": [["1772366400"]],
            "aws:TokenIssueTime": [["2026-03-01T11:00:00Z"]],
            "aws:SecureTransport": [["true"], ["false"]],
            "aws:ViaAWSService": [["false"], ["true"]],
            "aws:SourceArn": [["arn:aws:s3:::data"], ["arn:aws:sns:us-east-1:111122223333:a:b/c"],
                ["arn:aws:x:us-east-2:9:store/abc:1:finance/doc"]],
            "aws:username": [["alice"], ["team"]],
            "s3:max-keys": [["10"], ["5.0"], ["0"], ["1000"]],
            "s3:prefix": [[""], ["home/"], ["home/alice/"], ["a*c"]],
            "x:Blob": [["QmluYXJ5"], ["AAE="]],
        }  # fmt: skip
        keys = {self.cased(name, 0.1): rnd.choice(pool) for name, pool in pools.items() if chance(rnd, 0.6)}
        if who.kind in ("root", "user", "role"):
            keys["aws:PrincipalArn"] = [who.role_arn or who.arn]
            keys["aws:PrincipalAccount"] = [who.account]
            keys["aws:userid"] = [who.id]
        return keys

    def cased(self, text: str, probability: float) -> str:
        if not chance(self.rnd, probability):
            return text
        return self.rnd.choice([text.upper(), text.lower(), text.swapcase()])

    def case(self) -> Case:
        rnd, who = self.rnd, self.who
        person = who.kind in ("user", "role")
        identity = [self.policy("identity") for _ in range(rnd.randint(0, 3))] if person else []
        owner = HOME if chance(rnd, 0.95) else AWAY
        wanted = 0.95 if self.trust or who.kind in ("service", "anonymous") or who.account != owner else 0.5
        return Case(
            who, self.action, self.resource, owner, self.keys, identity,
            resource_policy=self.policy("trust" if self.trust else "resource") if chance(rnd, wanted) else None,
            trust=self.trust,
            boundary=self.policy("identity") if self.boundary_set else None,
            session=some(rnd, lambda: self.policy("identity"), 2) if who.kind == "role" and chance(rnd, 0.3) else None,
            endpoint=self.policy("endpoint") if who.kind != "service" and chance(rnd, 0.3) else None,
            gateway=self.action.startswith("s3:") and chance(rnd, 0.6),
            scps=some(rnd, lambda: some(rnd, lambda: self.policy("identity"), 2), 2)
            if who.kind in ("root", "user", "role") and chance(rnd, 0.2) else [],
            rcps=some(rnd, lambda: self.policy("rcp"), 2)
            if self.action.partition(":")[0] in ("s3", "sts") and chance(rnd, 0.15) else [],
        )  # fmt: skip

    # ---- policies

    def policy(self, kind: str) -> Json:
        rnd = self.rnd
        version = rnd.choices(["2012-10-17", "2008-10-17", None], [80, 8, 12])[0]
        made: Json = {} if version is None else {"Version": version}
        listed = some(rnd, lambda: self.statement(kind))
        for number, statement in enumerate(listed):
            if chance(rnd, 0.2):
                statement["Sid"] = f"S{number}"
        if kind == "identity" and chance(rnd, 0.2):
            listed.append({"Effect": "Allow", "Action": "*", "Resource": "*"})
        made["Statement"] = listed[0] if len(listed) == 1 and chance(rnd, 0.5) else listed
        return made

    def statement(self, kind: str) -> Json:
        rnd = self.rnd
        made: Json = {"Effect": "Deny" if kind == "rcp" or chance(rnd, 0.15) else "Allow"}
        if kind == "rcp":
            made["Principal"] = "*"
        elif kind != "identity":
            self.principal_of(made, kind)
        if kind == "trust":
            made["Action"] = rnd.choice(
                ["sts:AssumeRole", "sts:*", ["sts:TagSession", "sts:assumerole"], "sts:TagSession"]
            )
        else:
            self.action_of(made)
            self.resource_of(made)
        if chance(rnd, 0.55):
            made["Condition"] = self.conditions()
        return made

    def principal_of(self, made: Json, kind: str) -> None:
        rnd, who = self.rnd, self.who
        if kind == "resource" and chance(rnd, 0.12) and who.kind != "anonymous":
            self.not_principal_of(made)
            return
        forms = ["*", {"AWS": "*"}, {"AWS": who.account}, {"AWS": f"arn:aws:iam::{who.account}:root"}]
        forms += [
            {"AWS": who.arn},
            {"AWS": [f"arn:aws:iam::{HOME}:user/Nobody", who.arn]},
            {"AWS": AWAY},
            {"AWS": HOME},
        ]
        if who.role_arn:
            forms += [{"AWS": who.role_arn}] * 2
            forms += [
                {"AWS": who.arn.replace("SageMaker", "sagemaker")},
                {"AWS": who.role_arn, "Service": "ec2.amazonaws.com"},
            ]
        if who.kind == "user":
            forms += [{"AWS": who.arn.lower()}]
        if who.kind == "service":
            forms = [
                "*",
                {"Service": who.arn},
                {"Service": ["ec2.amazonaws.com", who.arn]},
                {"Service": "ec2.amazonaws.com"},
                {"AWS": HOME},
            ]
        if who.kind == "anonymous":
            forms = ["*", {"AWS": "*"}, {"AWS": HOME}, {"Service": "sagemaker.amazonaws.com"}]
        if kind == "endpoint":
            forms += ["*"] * (len(forms) // 2)
        made["Principal"] = rnd.choice(forms)

    def not_principal_of(self, made: Json) -> None:
        """A whole list or one that is about others."""
        who, account = self.who, f"arn:aws:iam::{self.who.account}:root"
        other = f"arn:aws:iam::{AWAY if who.account == HOME else HOME}"
        made["Effect"] = "Deny"
        whole: Json = {"AWS": [arn for arn in (who.arn, who.role_arn, account) if arn]}
        if who.kind == "service":
            whole = {"Service": who.arn}
        others: Json = {"AWS": [f"{other}:user/X", f"{other}:root"]}
        made["NotPrincipal"] = self.rnd.choice([whole, whole, others])

    def action_of(self, made: Json) -> None:
        rnd = self.rnd
        service, _, name = self.action.partition(":")
        wanted = rnd.choice([
            "*", f"{service}:*", self.action, self.cased(self.action, 1), f"{service}:{name[:3]}*",
            f"{service}:*{name[-4:]}",
            f"{service}:{name[:2]}?{name[3:]}", f"{service}:{name}?", f"{service}:{name[:-1]}", "iam:*", [self.action,
            "iam:List*"],
        ])  # fmt: skip
        made["NotAction" if chance(rnd, 0.12) else "Action"] = wanted

    def resource_of(self, made: Json) -> None:
        rnd = self.rnd
        wanted = [self.bent_resource() for _ in range(rnd.choice([1, 1, 1, 2]))]
        made["NotResource" if chance(rnd, 0.12) else "Resource"] = wanted[0] if len(wanted) == 1 else wanted

    def bent_resource(self) -> str:
        rnd = self.rnd
        if self.resource == "*" or chance(rnd, 0.3):
            return rnd.choice(["*", "*", "arn:aws:s3:::data/*"])
        if chance(rnd, 0.2):
            return rnd.choice([
                "arn:aws:s3:::data/home/${aws:username}/*", "arn:aws:s3:::data/${aws:PrincipalTag/team}/*",
                "arn:aws:s3:::data/${aws:PrincipalTag/none, 'team'}/*", "arn:aws:s3:::data/${*}",
                "arn:aws:s3:::d${?}ta",
                "arn:aws:s3:::data/${AWS:USERNAME}/*", "arn:aws:s3:::${aws:TagKeys}*",
                "arn:aws:s3:::data/*${aws:none}*",
                "arn:aws:sagemaker:us-west-2:111122223333:endpoint/${aws:PrincipalTag/none, 'myEndpoint'}",
                "arn:aws:s3:::data/${$}{x}",
                "arn:aws:s3:::packages.*.amazonaws.com/*", "arn:aws:s3:::repo.*.amazonaws.com/*", "arn:aws:s3:::*",
            ])  # fmt: skip
        *head, last = self.resource.split(":", 5)
        if chance(rnd, 0.25):
            at = rnd.choice([1, 3, 4])  # "You can't use a wildcard in the service segment"
            head[at] = rnd.choice(["*", "", head[at].upper(), head[at][:2] + "*"])
        return ":".join([*head, self.bent(last)])

    # ---- conditions

    def conditions(self) -> Json:
        made: Json = {}
        for _ in range(self.rnd.choice([1, 1, 1, 2, 2, 3])):
            operator, key, wanted = self.condition()
            made.setdefault(operator, {})[self.cased(key, 0.15)] = wanted
        return made

    def condition(self) -> tuple[str, str, Any]:
        rnd = self.rnd
        maker = rnd.choices(
            [self.on_text, self.on_arn, self.on_number, self.on_date, self.on_address, self.on_bool, self.on_null,
            self.on_blob],
            [38, 12, 7, 9, 12, 7, 10, 2],
        )[0]  # fmt: skip
        return maker()

    def operator(self, name: str, key: str) -> str:
        """With IfExists and a set operator now and then; always with one if the request has several values."""
        rnd = self.rnd
        several = key in ("aws:TagKeys", "aws:CalledVia")
        if chance(rnd, 0.25):
            name += "IfExists"
        if several or chance(rnd, 0.15):
            name = rnd.choice(["ForAllValues:", "ForAnyValue:"]) + name
        return name

    def wanted(self, make: Callable[[], Any]) -> Any:
        values = [make() for _ in range(self.rnd.choice([1, 1, 2, 3]))]
        return values[0] if len(values) == 1 and chance(self.rnd, 0.6) else values

    def request_value(self, key: str) -> str:
        found = next((values for name, values in self.keys.items() if name.lower() == key.lower()), ["absent"])
        return self.rnd.choice(found)

    def on_text(self) -> tuple[str, str, Any]:
        rnd = self.rnd
        key = rnd.choice([
            "aws:SourceVpc", "aws:SourceVpce", "aws:PrincipalTag/team", "aws:ResourceTag/team", "aws:TagKeys",
            "aws:CalledVia",
            "aws:username", "s3:prefix", "aws:PrincipalArn", "aws:PrincipalAccount", "aws:none",
        ])  # fmt: skip
        operator = rnd.choice(STRINGS + LIKES)
        return self.operator(operator, key), key, self.wanted(lambda: self.bent_text(key))

    def bent_text(self, key: str) -> str:
        rnd = self.rnd
        if chance(rnd, 0.25):
            return rnd.choice([
                "${aws:PrincipalTag/team}", "${aws:none}", "${aws:none, 'red'}", "${aws:username}",
                "home/${aws:username}/", "${AWS:UserName}/*",
                "a${*}c", "${$}", "", "*", "?*", "${aws:TagKeys}", "${aws:ResourceTag/team, 'blue'}", "x${aws:none}",
                "${*}",
            ])  # fmt: skip
        return self.bent(self.request_value(key))

    def bent(self, text: str) -> str:
        """Right, or with wildcards, or nearly right."""
        rnd = self.rnd
        at = rnd.randint(0, len(text))
        return rnd.choice([
            text, text, text, text[:at] + "*", "*" + text[at:], text[:at] + "*" + text[at:],
            text[:at] + "?" + text[at + 1 :],
            text[:at] + text[at + 1 :], text.swapcase(), text + "?", text + "/", "*",
            text[:at] + "*" + text[at + 2 :] + "*",
        ])  # fmt: skip

    def on_arn(self) -> tuple[str, str, Any]:
        key = self.rnd.choice(["aws:SourceArn", "aws:PrincipalArn", "aws:SourceArn", "aws:noneArn", "aws:SourceVpc"])
        return self.operator(self.rnd.choice(ARNS), key), key, self.wanted(lambda: self.bent_arn(key))

    def bent_arn(self, key: str) -> str:
        rnd = self.rnd
        if chance(rnd, 0.25):
            return rnd.choice([
                "arn:aws:iam::*:role/*", "arn:aws:x:*:1:finance/*", "arn:aws:s3:::${aws:none}",
                "arn:aws:s3:::${aws:none, 'data'}",
                "arn:aws:s3:::data", "arn:aws:iam::${aws:PrincipalAccount}:user/*", "arn:*:*:*:*:*",
                "arn:aws:sns:*:a:b/c", "arn:aws:sns:us-east-1:*:a:*",
                "arn:aws:iam::111122223333:r*", "arn:aws:iam::????22223333:*",
            ])  # fmt: skip
        fields = self.request_value(key).split(":", 5)
        if len(fields) < 6:
            fields = ["arn", "aws", "s3", "", "", "data"]
        at = rnd.randrange(6)
        fields[at] = self.bent(fields[at])
        return ":".join(fields)

    def on_number(self) -> tuple[str, str, Any]:
        operator = "Numeric" + self.rnd.choice(COMPARISONS)
        wanted = self.wanted(lambda: self.rnd.choice(["10", 10, "10.0", "5", 5, "0", "-1", "1000", "9.99", "1e1"]))
        key = self.rnd.choice(["s3:max-keys", "s3:max-keys", "x:none"])
        return self.operator(operator, key), key, wanted

    def on_date(self) -> tuple[str, str, Any]:
        operator = "Date" + self.rnd.choice(COMPARISONS)
        key = self.rnd.choice(["aws:CurrentTime", "aws:EpochTime", "aws:TokenIssueTime"])
        wanted = self.wanted(
            lambda: self.rnd.choice([
                "2026-03-01T12:00:00Z", "1772366400", 1772366400, "2026-03-01T13:00:00+01:00", "2026-03-01",
                "2026-03-02",
                "2026-03-01T12:00:00.500Z", "2026-03-01T11:00:00Z", "1772362800", "2026-03-01T12:00Z", "2026-03",
                "2020-01-01T00:00:01Z",
            ])
        )  # fmt: skip
        return self.operator(operator, key), key, wanted

    def on_address(self) -> tuple[str, str, Any]:
        key = self.rnd.choice(["aws:SourceIp", "aws:VpcSourceIp", "aws:SourceIp", "aws:none"])
        wanted = self.wanted(
            lambda: self.rnd.choice([
                "0.0.0.0/0", "::/0", "192.0.2.0/24", "203.0.113.0/24", "192.0.2.7", "192.0.2.7/32", "2001:db8::1",
                "2001:DB8::/32",
                "2001:db8:0:0:0:0:0:1/128", "10.0.0.0/8", "10.0.1.20", "192.0.2.8", "0.0.0.0", "203.0.113.254/31",
            ])
        )  # fmt: skip
        return self.operator(self.rnd.choice(["IpAddress", "NotIpAddress"]), key), key, wanted

    def on_bool(self) -> tuple[str, str, Any]:
        key = self.rnd.choice(["aws:SecureTransport", "aws:ViaAWSService", "aws:none"])
        return self.operator("Bool", key), key, self.wanted(lambda: self.rnd.choice(["true", "false", True, False]))

    def on_null(self) -> tuple[str, str, Any]:
        key = self.rnd.choice(
            ["aws:SourceVpce", "aws:SourceIp", "aws:TagKeys", "aws:PrincipalTag/team", "s3:prefix", "aws:none"]
        )
        return "Null", key, self.rnd.choice(["true", "false", True, False, ["true"], ["true", "false"]])

    def on_blob(self) -> tuple[str, str, Any]:
        values = ["QmluYXJ5", "AAE=", base64.b64encode(b"other").decode()]
        return self.operator("BinaryEquals", "x:Blob"), "x:Blob", self.wanted(lambda: self.rnd.choice(values))
