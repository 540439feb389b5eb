terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

variable "endpoint" {}

variable "shards" {
  default = 2
}

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
  name             = "clicks"
  shard_count      = var.shards
  retention_period = 48
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

resource "aws_kinesis_stream_consumer" "reports" {
  name       = "reports"
  stream_arn = aws_kinesis_stream.views.arn
}
