"""With signatures verified: who may do what with a queue, by policies of identities and of queues."""

import json

import botocore.exceptions
import pytest

from support.server import Server

OTHER = "210987654321"
OTHER_KEY = {"AccessKeyId": "AKIAOTHEROTHEROTHERO", "SecretAccessKey": "the-secret-of-another-account"}


def code_of(call, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**members)
    return caught.value.response["Error"]["Code"]


def document(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def test_users_and_other_accounts():
    key = {"access_key_id": OTHER_KEY["AccessKeyId"], "secret_access_key": OTHER_KEY["SecretAccessKey"]}
    config = "[[access_keys]]\n" + "".join(f'{name} = "{value}"\n' for name, value in {**key, "account": OTHER}.items())
    with Server(arguments=["--auth", "sigv4"], config=config) as server:
        lines = (server.data / "credentials").read_text().splitlines()
        values = dict(line.split(" = ") for line in lines if " = " in line)
        root = {"AccessKeyId": values["aws_access_key_id"], "SecretAccessKey": values["aws_secret_access_key"]}

        def client(service, key=root):
            return server.client(service, account=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])

        iam, sqs = client("iam"), client("sqs")
        url = sqs.create_queue(QueueName="guarded")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        iam.create_user(UserName="sender")
        sender = client("sqs", iam.create_access_key(UserName="sender")["AccessKey"])
        entries = [{"Id": "a", "MessageBody": "x"}]
        assert code_of(sender.send_message, QueueUrl=url, MessageBody="x").startswith("AccessDenied")
        iam.put_user_policy(UserName="sender", PolicyName="send", PolicyDocument=document(Action="sqs:SendMessage", Resource=arn))
        sender.send_message(QueueUrl=url, MessageBody="x")
        sender.send_message_batch(QueueUrl=url, Entries=entries)
        assert code_of(sender.receive_message, QueueUrl=url).startswith("AccessDenied")

        other = client("sqs", OTHER_KEY)
        assert code_of(other.send_message, QueueUrl=url, MessageBody="x").startswith("AccessDenied")
        sqs.add_permission(QueueUrl=url, Label="send", AWSAccountIds=[OTHER], Actions=["SendMessage", "GetQueueUrl"])
        other.send_message(QueueUrl=url, MessageBody="from another account")
        assert other.get_queue_url(QueueName="guarded", QueueOwnerAWSAccountId="000000000000")["QueueUrl"] == url
        assert code_of(other.delete_queue, QueueUrl=url) == "AWS.SimpleQueueService.NonExistentQueue"
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["SenderId"])["Messages"]
        assert len(received) == 3
        assert {message["Attributes"]["SenderId"][:4] for message in received} == {"AIDA", OTHER[:4]}
