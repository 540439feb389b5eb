# A topic with a function and a queue behind it, and a log group whose events a function gets. `name` is what an update changes.
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

variable "endpoint" {
  type = string
}

variable "name" {
  type    = string
  default = "first"
}

provider "aws" {
  region                  = "us-east-1"
  access_key              = "test"
  secret_key              = "test"
  skip_metadata_api_check = true
  skip_region_validation  = true
  endpoints {
    cloudwatchlogs = var.endpoint
    iam            = var.endpoint
    lambda         = var.endpoint
    sns            = var.endpoint
    sts            = var.endpoint
  }
}

resource "aws_iam_role" "function" {
  name = "topics-function"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
}

resource "aws_lambda_function" "subscriber" {
  function_name    = "subscriber"
  role             = aws_iam_role.function.arn
  runtime          = "python3.12"
  handler          = "app.handler"
  filename         = "subscriber.zip"
  source_code_hash = filebase64sha256("subscriber.zip")
}

resource "aws_sns_topic" "orders" {
  name              = "orders"
  display_name      = var.name
  signature_version = 2
  tags              = { Name = var.name }
  delivery_policy = jsonencode({
    http = { defaultHealthyRetryPolicy = {
      minDelayTarget = 20, maxDelayTarget = 20, numRetries = 3, numMaxDelayRetries = 0, numNoDelayRetries = 0,
      numMinDelayRetries = 0, backoffFunction = "linear"
    }, disableSubscriptionOverrides = false }
  })
}

resource "aws_sns_topic" "ordered" {
  name                        = "ordered.fifo"
  fifo_topic                  = true
  content_based_deduplication = true
}

resource "aws_sns_topic_policy" "orders" {
  arn = aws_sns_topic.orders.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "events", Effect = "Allow", Action = "sns:Publish", Resource = aws_sns_topic.orders.arn
      Principal = { Service = "events.amazonaws.com" }
    }]
  })
}

resource "aws_lambda_permission" "topic" {
  statement_id  = "topic"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.subscriber.function_name
  principal     = "sns.amazonaws.com"
  source_arn    = aws_sns_topic.orders.arn
}

resource "aws_sns_topic_subscription" "function" {
  topic_arn     = aws_sns_topic.orders.arn
  protocol      = "lambda"
  endpoint      = aws_lambda_function.subscriber.arn
  filter_policy = jsonencode({ kind = [var.name] })
}

resource "aws_sns_topic_subscription" "queue" {
  topic_arn            = aws_sns_topic.orders.arn
  protocol             = "sqs"
  endpoint             = "arn:aws:sqs:us-east-1:000000000000:orders"
  raw_message_delivery = true
  filter_policy_scope  = "MessageBody"
  filter_policy        = jsonencode({ order = { kind = ["x"] } })
  redrive_policy       = jsonencode({ deadLetterTargetArn = "arn:aws:sqs:us-east-1:000000000000:dead" })
}

resource "aws_cloudwatch_log_group" "app" {
  name              = "/app/${var.name}"
  retention_in_days = 14
  tags              = { Name = var.name }
}

resource "aws_cloudwatch_log_stream" "app" {
  name           = "stream"
  log_group_name = aws_cloudwatch_log_group.app.name
}

resource "aws_lambda_permission" "logs" {
  statement_id  = "logs"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.subscriber.function_name
  principal     = "logs.us-east-1.amazonaws.com"
  source_arn    = "${aws_cloudwatch_log_group.app.arn}:*"
}

resource "aws_cloudwatch_log_subscription_filter" "app" {
  name            = "errors"
  log_group_name  = aws_cloudwatch_log_group.app.name
  filter_pattern  = "ERROR"
  destination_arn = aws_lambda_function.subscriber.arn
  depends_on      = [aws_lambda_permission.logs]
}

output "topic" {
  value = aws_sns_topic.orders.arn
}
