"""Where operations differ from AWS's service authorization reference, each with its reason.

A key is a pattern of `service.Operation | action | what`. One that fits nothing any more fails the test.
"""

EXCEPTIONS: dict[str, str] = {
    # EC2
    "ec2.Create* | * | has no ec2:*id on *": "what does not exist yet has no id",
    "ec2.Create* | ec2:CreateTags | has no *": "what does not exist yet has no properties, only the tags it will get",
    "ec2.AllocateAddress | ec2:CreateTags | has no *": "as with what Create makes",
    "ec2.AssociateAddress | * | does not ask about optional instance": "InstanceId is refused: there are no instances",
    "ec2.StartNetworkInsightsAnalysis | ec2:CreateTags | has no *": "as with what Create makes",
    "ec2.CreateNetworkInsightsPath | * | does not ask about optional *": "one of each end, no more",
    "ec2.CreateNatGateway | * | does not ask about optional vpc": "VpcId, of regional NAT gateways, is refused",
    "ec2.CreateFlowLogs | * | does not ask about optional transit-gateway*": "flow logs of these are refused",
    "ec2.CreateFlowLogs | * | does not ask about optional natgateway": "flow logs of regional NAT gateways are refused",
    "ec2.CreateFlowLogs | * | does not ask for ecs:List*": "for the fields of ECS, which is not here: they are `-`",
    "ec2.CreateTags | ec2:CreateTags | has no ec2:createaction on vpc": "set where a creation asks for ec2:CreateTags",
    "ec2.AssociateVpcCidrBlock | * | has no ec2:ipv?ipampoolid on vpc": "IPAM is refused: there are no pools",
    "ec2.* | * | does not ask about optional ipam-pool": "IPAM is refused: there are no pools",
    "ec2.* | * | does not ask about optional ipv?pool-ec2": "addresses of one's own are refused: there are no pools",
    "ec2.CreateVpnConnection | * | has no ec2:phase* on *": "the option of the tunnels is refused",
    "ec2.CreateVpnConnection | * | has no ec2:re*": "the option of the tunnels is refused",
    "ec2.CreateVpnConnection | * | has no ec2:ikeversions on *": "the option of the tunnels is refused",
    "ec2.CreateVpnConnection | * | has no ec2:dpdtimeoutseconds on *": "the option of the tunnels is refused",
    "ec2.CreateVpnConnection | * | has no ec2:insidetunnelipv6cidr on *": "the option of the tunnels is refused",
    "ec2.CreateVpnConnection | * | does not ask about optional transit-gateway*": "transit gateways are refused",
    "ec2.CreateVpnConnection | * | does not ask about optional vpn-concentrator": "concentrators are refused",
    "ec2.*RouteTable* | * | does not ask about optional internet-gateway": "tables of gateways (edge) are refused",
    "ec2.*tachNetworkInterface | * | has no ec2:* on instance": "there are no EC2 instances that could have these",
    "ec2.*RouteTable* | * | does not ask about optional vpn-gateway": "tables of gateways (edge) are refused",
    "ec2.ModifyNetworkInterfaceAttribute | * | does not ask about optional instance": "Attachment is refused",
    "ec2.ModifyNetworkInterfaceAttribute | * | does not ask about optional subnet": "AssociatedSubnetIds is refused",
    "ec2.Modify* | * | has no ec2:attribute on *": "holds a member `Attribute`, which none of these requests has",
    "ec2.ModifyVpcPeeringConnectionOptions | * | has no ec2:attribute/ on *": "what it calls options is not documented",
    "ec2.* | * | has no ec2:managedresourceoperator on *": "no interface is managed by an operator",
    "ec2.CreateNetworkInterfacePermission | * | has no ec2:authorizeduser on *": "its form for an account is not told",
    "ec2.* | * | has no ec2:vpcemultiregion on vpc-endpoint": "its values are not documented",
    "ec2.CreateVpcEndpoint | * | does not ask for ec2:Describe*": "for the console: the API shows nothing of them",
    "ec2.CreateVpcEndpoint | * | does not ask for route53:AssociateVPCWithHostedZone": (
        "AWS's own policies for creating endpoints (PrivateLink guide, identity-based policy examples) lack it"
    ),
    "ec2.* | * | has no ec2:ipamprefixlistresolvertargetid on prefix-list": "all prefix lists are AWS's own",
    # IAM and STS
    "iam.* | * | has no iam:roletemplatearn on role": "there are no role templates",
    "iam.AddRole* | iam:PassRole | has no iam:associatedresourcearn on role": "its value here is not documented",
    "iam.SimulatePrincipalPolicy | * | does not ask about optional *": "a request is about a user, a group or a role",
    "* | iam:PassRole | has no *:resourcetag/ on role": (
        "`Such an approach does not have reliable results`: IAM guide, granting permissions to pass a role"
    ),
    "sts.GetFederationToken | sts:TagSession | *": "documented for roles; STS asks it of the federated user",
    "sts.AssumeRole | * | has no *.com:* on role": "keys of web identities: AssumeRoleWithWebIdentity has them",
    "sts.AssumeRole | * | has no saml:* on role": "keys of SAML: AssumeRoleWithSAML has them",
    # CloudWatch Logs
    "logs.DescribeLogGroups | * | asks about arn:aws:logs:*:log-group::log-stream:": (
        "the resource that AWS's refusals name, documented as having none; policies say log-group:*"
    ),
    # CloudWatch
    "cloudwatch.* | * | has no cloudwatch:hasaccessgrant on *": "access grants are for datasets, which are not there",
    "cloudwatch.* | * | does not ask about optional dataset": "there are no datasets",
    "cloudwatch.PutMetricAlarm | * | has no cloudwatch:alarmtags* on alarm": "ActionConfiguration is refused",
    "cloudwatch.*Metric* | * | asks about [*]": "AWS lists datasets as the only resource; policies name `*`",
    "ecr.ListTagsForResource | * | has no aws:*": "its request has no tags, whatever the reference says",
    # Direct Connect
    "directconnect.* | * | does not ask about optional dxlag": "there are no LAGs",
    "directconnect.DescribeTags | * | does not ask about optional *": "each is asked about if its ARN is given",
    "directconnect.CreateConnection | * | asks about [*]": "of the resources listed it names only LAGs, not there",
    "directconnect.CreatePrivate* | * | has no aws:*": "its tags are in a structure, whose keys AWS does not tell",
    # S3
    "s3*.* | * | has no s3:buckettag/ on *": "tags of buckets count once PutBucketAbac turns that on; it is refused",
    "s3*.* | * | has no aws:resourcetag/ on *": "tags of buckets count once PutBucketAbac turns that on; it is refused",
    "s3.* | * | has no s3:accessgrantsinstancearn on *": "there are no access grants",
    "s3.* | * | does not ask about optional accesspoint*": "there are no access points",
    "s3.ListMultipartUploads | * | has no s3:accesspoint* on bucket": "there are no access points",
    "s3.ListMultipartUploads | * | has no s3:dataaccesspoint* on bucket": "there are no access points",
    "s3.HeadBucket | s3:ListBucket | has no s3:*": "HeadBucket lists nothing: it has no such parameters",
    "s3.* | * | has no s3:x-amz-grant-write on object": "objects have no such grant: no request has the header",
    "s3.* | s3:PutObject | has no s3:object-lock-event-hold* on object": "object lock is refused",
    "s3.* | s3:PutObject | has no s3:object-lock-remaining-retention-days on object": "object lock is refused",
    "s3.PutObjectAcl | * | has no s3:x-amz-storage-class on object": "it has no such header",
    "s3.CopyObject | s3:PutObject | has no s3:x-amz-object-annotation-directive on object": "annotations are refused",
    "s3.PutObject | s3:PutObject | has no s3:x-amz-*copy-source on object": "a header of copies",
    "s3.PutObject | s3:PutObject | has no s3:x-amz-*-directive on object": "a header of copies",
    "s3.CreateMultipartUpload | s3:PutObject | has no s3:if-*match on object": "a header of the completion",
    "s3.CreateMultipartUpload | s3:PutObject | has no s3:x-amz-*copy-source on object": "a header of copies",
    "s3.CreateMultipartUpload | s3:PutObject | has no s3:x-amz-*-directive on object": "a header of copies",
    "s3.CompleteMultipartUpload | s3:PutObject | has no s3:[!io]*": "sent with CreateMultipartUpload",
    "s3.CompleteMultipartUpload | s3:PutObject | has no s3:object-lock-*": "sent with CreateMultipartUpload",
    "s3.UploadPart* | s3:PutObject | has no s3:[!o]*": "a part has none of an object's headers",
    "s3.UploadPart* | s3:PutObject | has no s3:object-lock-*": "a part has none of an object's headers",
    # Organizations
    "organizations.* | * | does not ask about optional root": "a request names a root, a unit or an account",
    "organizations.* | * | does not ask about optional account": "a request names a root, a unit or an account",
    "organizations.*Resource | * | has no organizations:policytype on organizationalunit": "a unit is no policy",
    "organizations.CreateAccount | * | has no aws:resourcetag/ on *": "what does not exist yet has no tags",
    # Route 53
    "route53.ChangeTagsForResource | * | does not ask about required hostedzone": "a request is about one resource",
    "route53.* | * | does not ask about optional h*": "a request names a zone or a health check",
    # SageMaker
    "sagemaker.AddTags | * | has no sagemaker:taggingaction on model": "set where a creation asks for AddTags",
    "sagemaker.CreateProcessingJob | * | does not pass the role in Proc*": "dataset definitions are refused",
    "sagemaker.Create* | * | has no sagemaker:directgatedmodelaccess on *": "gated models are refused",
    "sagemaker-featurestore-runtime.PutRecord | * | has no sagemaker:updatablefeatures on *": "UpdateRecord has it",
    "sagemaker.CreateNotebookInstance | ec2:* | has no *": "asked before there is anything; the role's own calls have",
    "sagemaker.CreateTrainingJob | * | does not ask about optional *": "training plans are refused",
    "sagemaker.Search | * | has no sagemaker:searchvisibilitycondition/ on *": "VisibilityConditions are refused",
    "sagemaker.*Domain | * | does not pass the role in *CanvasAppSettings.*": "Canvas is refused",
    "sagemaker.*Domain | * | does not pass the role in *.RStudioServerPro*": "RStudio is refused",
    "sagemaker.*Domain | * | does not pass the role in *.EmrSettings.*": "EMR is refused",
    "sagemaker.*UserProfile | * | does not pass the role in *CanvasAppSettings.*": "Canvas is refused",
    "sagemaker.*UserProfile | * | does not pass the role in *.EmrSettings.*": "EMR is refused",
}
