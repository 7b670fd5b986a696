// The flows of the AWS SDK for JavaScript v3, as a user writes them; see ../test_js.py, which reads the last line.
// Arguments: the execution role, an image that answers on its own, a bucket.

import assert from "node:assert/strict";
import { Readable } from "node:stream";
import {
  CreateSecurityGroupCommand, CreateSubnetCommand, CreateVpcCommand, DeleteSecurityGroupCommand, DeleteSubnetCommand,
  DeleteVpcCommand, DescribeNetworkInterfacesCommand, DescribeSubnetsCommand, DescribeVpcsCommand, EC2Client,
  paginateDescribeSubnets, waitUntilSubnetAvailable, waitUntilVpcAvailable,
} from "@aws-sdk/client-ec2";
import {
  CreateBucketCommand, DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand, NoSuchBucket, NoSuchKey, NotFound,
  PutObjectCommand, S3Client, paginateListObjectsV2, waitUntilBucketExists,
} from "@aws-sdk/client-s3";
import {
  CreateEndpointCommand, CreateEndpointConfigCommand, CreateModelCommand, DeleteEndpointCommand,
  DeleteEndpointConfigCommand, DeleteModelCommand, DescribeEndpointCommand, DescribeModelCommand,
  DescribeTrainingJobCommand, ResourceNotFound, SageMakerClient, paginateListModels, waitUntilEndpointDeleted,
  waitUntilEndpointInService,
} from "@aws-sdk/client-sagemaker";
import {
  InvokeEndpointCommand, InvokeEndpointWithResponseStreamCommand, ModelError, ModelStreamError, SageMakerRuntimeClient,
} from "@aws-sdk/client-sagemaker-runtime";
import { Upload } from "@aws-sdk/lib-storage";

const [role, image, bucket] = process.argv.slice(2);
const ec2 = new EC2Client();
const s3 = new S3Client({ forcePathStyle: true });
const sagemaker = new SageMakerClient();
const runtime = new SageMakerRuntimeClient();
const patience = (client) => ({ client, maxWaitTime: 120, minDelay: 1, maxDelay: 2 });
const text = (bytes) => new TextDecoder().decode(bytes);

async function refusal(promise) {
  return promise.then(() => assert.fail("was not refused"), (error) => error);
}

async function network() {
  const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: "10.8.0.0/16" }));
  await waitUntilVpcAvailable(patience(ec2), { VpcIds: [Vpc.VpcId] });
  const subnets = [];
  for (const [index, zone] of ["us-west-2a", "us-west-2b"].entries()) {
    const asked = { VpcId: Vpc.VpcId, CidrBlock: `10.8.${index}.0/24`, AvailabilityZone: zone };
    subnets.push((await ec2.send(new CreateSubnetCommand(asked))).Subnet.SubnetId);
  }
  await waitUntilSubnetAvailable(patience(ec2), { SubnetIds: subnets });
  const asked = { GroupName: "js", Description: "js", VpcId: Vpc.VpcId };
  const group = (await ec2.send(new CreateSecurityGroupCommand(asked))).GroupId;
  const filters = { Filters: [{ Name: "vpc-id", Values: [Vpc.VpcId] }] };
  const pages = [];
  for await (const page of paginateDescribeSubnets({ client: ec2, pageSize: 5 }, filters)) pages.push(...page.Subnets);
  assert.equal(pages.length, 2);
  const absent = await refusal(ec2.send(new DescribeVpcsCommand({ VpcIds: ["vpc-0123456789abcdef0"] })));
  assert.equal(absent.name, "InvalidVpcID.NotFound");
  const dry = await refusal(ec2.send(new DescribeSubnetsCommand({ DryRun: true })));
  assert.equal(dry.name, "DryRunOperation");
  assert.equal(dry.$metadata.httpStatusCode, 412);
  return { vpc: Vpc.VpcId, subnets, group };
}

async function objects() {
  const place = { CreateBucketConfiguration: { LocationConstraint: "us-west-2" } };
  await s3.send(new CreateBucketCommand({ Bucket: bucket, ...place }));
  await waitUntilBucketExists(patience(s3), { Bucket: bucket });
  for (const key of ["a", "b", "c d/ü"]) {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: `of ${key}`, ContentType: "text/plain" }));
  }
  const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: "c d/ü" }));
  assert.equal(await got.Body.transformToString(), "of c d/ü");
  const large = Buffer.alloc(12 * 2 ** 20, "x");
  const Body = Readable.from([large.subarray(0, 7_000_000), large.subarray(7_000_000)]);
  await new Upload({ client: s3, params: { Bucket: bucket, Key: "large", Body } }).done();
  const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: "large" }));
  assert.equal(head.ContentLength, large.length);
  const keys = [];
  for await (const page of paginateListObjectsV2({ client: s3, pageSize: 1 }, { Bucket: bucket })) {
    assert.equal(page.Contents.length, 1);
    keys.push(page.Contents[0].Key);
  }
  assert.deepEqual(keys, ["a", "b", "c d/ü", "large"]);
  const absent = { Bucket: bucket, Key: "absent" };
  assert.ok((await refusal(s3.send(new GetObjectCommand(absent)))) instanceof NoSuchKey);
  assert.ok((await refusal(s3.send(new HeadObjectCommand(absent)))) instanceof NotFound);
  const nowhere = { Bucket: `${bucket}-absent`, Key: "x" };
  assert.ok((await refusal(s3.send(new GetObjectCommand(nowhere)))) instanceof NoSuchBucket);
  const gone = await s3.send(
    new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }),
  );
  assert.equal(gone.Deleted.length, 4);
  return keys;
}

async function host({ subnets, group }) {
  for (const ModelName of ["js-one", "js-two"]) {
    const VpcConfig = { Subnets: subnets, SecurityGroupIds: [group] };
    const PrimaryContainer = { Image: image, Environment: { NAME: ModelName } };
    await sagemaker.send(new CreateModelCommand({ ModelName, PrimaryContainer, ExecutionRoleArn: role, VpcConfig }));
  }
  const pages = [];
  for await (const page of paginateListModels({ client: sagemaker, pageSize: 1 }, { NameContains: "js-" })) {
    if (page.Models.length) pages.push(page.Models.map((model) => model.ModelName).join());
  }
  assert.deepEqual(pages.sort(), ["js-one", "js-two"]);
  const variant = { VariantName: "v", ModelName: "js-one", InstanceType: "ml.m5.large", InitialInstanceCount: 1 };
  await sagemaker.send(new CreateEndpointConfigCommand({ EndpointConfigName: "js", ProductionVariants: [variant] }));
  await sagemaker.send(new CreateEndpointCommand({ EndpointName: "js", EndpointConfigName: "js" }));
  const waited = await waitUntilEndpointInService(patience(sagemaker), { EndpointName: "js" });
  assert.equal(waited.state, "SUCCESS");
  const told = await sagemaker.send(new DescribeEndpointCommand({ EndpointName: "js" }));
  assert.ok(told.CreationTime instanceof Date);
  return told.EndpointStatus;
}

async function errors() {
  const model = await refusal(sagemaker.send(new DescribeModelCommand({ ModelName: "absent" })));
  assert.equal(model.name, "ValidationException");
  assert.match(model.message, /^Could not find model/);
  const job = await refusal(sagemaker.send(new DescribeTrainingJobCommand({ TrainingJobName: "absent" })));
  assert.ok(job instanceof ResourceNotFound || job.name === "ValidationException");
  const again = { EndpointName: "js", EndpointConfigName: "js" };
  const taken = await refusal(sagemaker.send(new CreateEndpointCommand(again)));
  assert.equal(taken.name, "ValidationException");
  return { model: model.message, job: job.name, taken: taken.message };
}

async function invoke() {
  const asked = { EndpointName: "js", ContentType: "text/plain" };
  const answer = await runtime.send(
    new InvokeEndpointCommand({ ...asked, Body: "hello", CustomAttributes: "c=1" }),
  );
  assert.equal(answer.CustomAttributes, "got c=1");
  assert.equal(answer.InvokedProductionVariant, "v");
  const failed = await refusal(runtime.send(new InvokeEndpointCommand({ ...asked, Body: "fail" })));
  assert.ok(failed instanceof ModelError);
  assert.equal(failed.OriginalStatusCode, 500);
  const streamed = await runtime.send(new InvokeEndpointWithResponseStreamCommand({ ...asked, Body: "parts" }));
  let parts = "";
  for await (const event of streamed.Body) parts += text(event.PayloadPart.Bytes);
  const broken = await runtime.send(new InvokeEndpointWithResponseStreamCommand({ ...asked, Body: "break" }));
  const reason = await refusal((async () => { for await (const _ of broken.Body); })());
  assert.ok(reason instanceof ModelStreamError, String(reason));
  return { answer: text(answer.Body), parts };
}

async function clean({ vpc, subnets, group }) {
  await sagemaker.send(new DeleteEndpointCommand({ EndpointName: "js" }));
  await waitUntilEndpointDeleted(patience(sagemaker), { EndpointName: "js" });
  await sagemaker.send(new DeleteEndpointConfigCommand({ EndpointConfigName: "js" }));
  for (const ModelName of ["js-one", "js-two"]) await sagemaker.send(new DeleteModelCommand({ ModelName }));
  const filters = { Filters: [{ Name: "group-id", Values: [group] }] };
  const until = Date.now() + 30_000;
  while ((await ec2.send(new DescribeNetworkInterfacesCommand(filters))).NetworkInterfaces.length) {
    assert.ok(Date.now() < until, "interfaces of the endpoint are left");
    await new Promise((wake) => setTimeout(wake, 500));
  }
  await ec2.send(new DeleteSecurityGroupCommand({ GroupId: group }));
  for (const SubnetId of subnets) await ec2.send(new DeleteSubnetCommand({ SubnetId }));
  await ec2.send(new DeleteVpcCommand({ VpcId: vpc }));
}

const made = await network();
const found = { keys: await objects(), status: await host(made), errors: await errors(), invoked: await invoke() };
await clean(made);
console.log(`=== ${JSON.stringify({ flow: "js", ...found })}`);
