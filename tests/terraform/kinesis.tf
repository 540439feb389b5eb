terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

variable "endpoint" {}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints {
    kinesis = var.endpoint
    lambda  = var.endpoint
    sts     = var.endpoint
    iam     = var.endpoint
  }
}

resource "aws_kinesis_stream" "clicks" {
  name        = "clicks"
  shard_count = 2
  tags = {
    Team = "red"
  }
}

resource "aws_kinesis_stream" "views" {
  name = "views"
  stream_mode_details {
    stream_mode = "ON_DEMAND"
  }
  enforce_consumer_deletion = true
}

resource "aws_iam_role" "function" {
  name = "reads"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
}

resource "aws_lambda_function" "reads" {
  function_name    = "reads"
  role             = aws_iam_role.function.arn
  runtime          = "python3.12"
  handler          = "app.handler"
  filename         = "reads.zip"
  source_code_hash = filebase64sha256("reads.zip")
}

resource "aws_lambda_event_source_mapping" "clicks" {
  event_source_arn               = aws_kinesis_stream.clicks.arn
  function_name                  = aws_lambda_function.reads.arn
  starting_position              = "TRIM_HORIZON"
  batch_size                     = 50
  bisect_batch_on_function_error = true
  maximum_retry_attempts         = 3
}

resource "aws_lambda_event_source_mapping" "views" {
  event_source_arn  = aws_kinesis_stream_consumer.reports.arn
  function_name     = aws_lambda_function.reads.arn
  starting_position = "LATEST"
}

resource "aws_kinesis_stream_consumer" "reports" {
  name       = "reports"
  stream_arn = aws_kinesis_stream.views.arn
}
