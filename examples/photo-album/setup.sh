#!/bin/sh
# Sets the album up with the AWS CLI: two buckets, the function between them, a topic and a queue that are told of thumbnails, and
# a queue for what failed. Run build.sh before. AWS_ENDPOINT_URL says where: http://127.0.0.1:4566 for Tindra.
set -eu
cd "$(dirname "$0")"

region=${AWS_DEFAULT_REGION:-us-east-1}
retries=${RETRIES:-2}
account=$(aws sts get-caller-identity --query Account --output text)
lambda="arn:aws:lambda:$region:$account:function:thumbnails"
rule="arn:aws:events:$region:$account:rule/thumbnail-created"
topic="arn:aws:sns:$region:$account:thumbnails"
role="arn:aws:iam::$account:role/photo-album"

# Version 1 of the AWS CLI knows an older host of SQS, which it asks whatever AWS_ENDPOINT_URL says.
sqs() {
  aws sqs ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} "$@"
}

# What the function may do.
aws iam create-role --role-name photo-album --assume-role-policy-document '{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}' > /dev/null
aws iam put-role-policy --role-name photo-album --policy-name work --policy-document '{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "events:PutEvents", "sqs:SendMessage", "logs:*"], "Resource": "*"}]}'

aws s3 mb s3://photographs > /dev/null
aws s3 mb s3://photo-thumbnails > /dev/null

# Photographs that cannot be shrunk end here, with what was wrong.
sqs create-queue --queue-name thumbnails-failed > /dev/null

(cd build && python3 -m zipfile -c ../build.zip ./* && mv ../build.zip function.zip)
aws lambda create-function --function-name thumbnails --runtime "${RUNTIME:-python3.12}" --handler app.handler --role "$role" \
  --zip-file fileb://build/function.zip --memory-size 512 --timeout 30 \
  --environment 'Variables={THUMBNAILS=photo-thumbnails}' > /dev/null
aws lambda wait function-active-v2 --function-name thumbnails
aws lambda put-function-event-invoke-config --function-name thumbnails --maximum-retry-attempts "$retries" \
  --destination-config "OnFailure={Destination=arn:aws:sqs:$region:$account:thumbnails-failed}" > /dev/null

# Every new photograph runs the function.
aws lambda add-permission --function-name thumbnails --statement-id photographs --action lambda:InvokeFunction \
  --principal s3.amazonaws.com --source-arn arn:aws:s3:::photographs --source-account "$account" > /dev/null
aws s3api put-bucket-notification-configuration --bucket photographs --notification-configuration "{
  \"LambdaFunctionConfigurations\": [{\"LambdaFunctionArn\": \"$lambda\", \"Events\": [\"s3:ObjectCreated:*\"]}]}"

# Every thumbnail is an event, of which a topic's subscribers are told; one of them is a queue.
aws sns create-topic --name thumbnails > /dev/null
aws sns set-topic-attributes --topic-arn "$topic" --attribute-name Policy --attribute-value "{
  \"Version\": \"2012-10-17\", \"Statement\": [{\"Effect\": \"Allow\", \"Principal\": {\"Service\": \"events.amazonaws.com\"},
  \"Action\": \"sns:Publish\", \"Resource\": \"$topic\", \"Condition\": {\"ArnEquals\": {\"aws:SourceArn\": \"$rule\"}}}]}"
aws events put-rule --name thumbnail-created \
  --event-pattern '{"source": ["photo-album"], "detail-type": ["Thumbnail Created"]}' > /dev/null
aws events put-targets --rule thumbnail-created --targets "Id=topic,Arn=$topic" > /dev/null

queue_policy="{\\\"Version\\\": \\\"2012-10-17\\\", \\\"Statement\\\": [{\\\"Effect\\\": \\\"Allow\\\", \\\"Principal\\\": {\\\"Service\\\":
  \\\"sns.amazonaws.com\\\"}, \\\"Action\\\": \\\"sqs:SendMessage\\\", \\\"Resource\\\": \\\"*\\\", \\\"Condition\\\": {\\\"ArnEquals\\\": {\\\"aws:SourceArn\\\": \\\"$topic\\\"}}}]}"
sqs create-queue --queue-name thumbnails-told --attributes "{\"Policy\": \"$(echo "$queue_policy" | tr -d '\n')\"}" > /dev/null
aws sns subscribe --topic-arn "$topic" --protocol sqs \
  --notification-endpoint "arn:aws:sqs:$region:$account:thumbnails-told" > /dev/null

echo "The album is open: aws s3 cp PHOTOGRAPH s3://photographs/"
