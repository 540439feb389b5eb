# What a deployment of functions with Terraform uses. `endpoint` is the server; `message` and `file` are what an
# update changes.
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

variable "message" {
  type    = string
  default = "one"
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_metadata_api_check     = true
  skip_region_validation      = true
  endpoints {
    iam    = var.endpoint
    lambda = var.endpoint
    logs   = var.endpoint
    sts    = var.endpoint
  }
}

data "aws_caller_identity" "current" {}

resource "aws_iam_role" "function" {
  name = "hello-function"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.function.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

resource "aws_iam_role_policy" "queue" {
  name = "queue"
  role = aws_iam_role.function.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sqs:*", Resource = "*" }]
  })
}

resource "aws_cloudwatch_log_group" "function" {
  name = "/aws/lambda/hello"
}

resource "aws_lambda_layer_version" "greeting" {
  layer_name          = "greeting"
  filename            = "${path.module}/layer.zip"
  source_code_hash    = filebase64sha256("${path.module}/layer.zip")
  compatible_runtimes = ["python3.11", "python3.12"]
}

resource "aws_lambda_layer_version_permission" "everybody" {
  layer_name     = aws_lambda_layer_version.greeting.layer_name
  version_number = aws_lambda_layer_version.greeting.version
  statement_id   = "everybody"
  action         = "lambda:GetLayerVersion"
  principal      = "*"
}

resource "aws_lambda_function" "hello" {
  function_name                  = "hello"
  description                    = "says hello"
  role                           = aws_iam_role.function.arn
  runtime                        = "python3.11"
  handler                        = "app.handler"
  filename                       = "${path.module}/hello.zip"
  source_code_hash               = filebase64sha256("${path.module}/hello.zip")
  publish                        = true
  memory_size                    = 256
  timeout                        = 10
  reserved_concurrent_executions = 5
  layers                         = [aws_lambda_layer_version.greeting.arn]
  tags                           = { team = "green" }
  depends_on                     = [aws_cloudwatch_log_group.function]

  environment {
    variables = { MESSAGE = var.message }
  }
  ephemeral_storage {
    size = 1024
  }
  logging_config {
    log_format            = "JSON"
    application_log_level = "INFO"
    system_log_level      = "WARN"
  }
  dead_letter_config {
    target_arn = "arn:aws:sqs:us-east-1:000000000000:dead-letters"
  }
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "what people use"
  function_name    = aws_lambda_function.hello.function_name
  function_version = aws_lambda_function.hello.version
}

resource "aws_lambda_function" "quick" {
  function_name    = "quick"
  role             = aws_iam_role.function.arn
  runtime          = "python3.12"
  handler          = "app.handler"
  filename         = "${path.module}/hello.zip"
  source_code_hash = filebase64sha256("${path.module}/hello.zip")
  publish          = true
  layers           = [aws_lambda_layer_version.greeting.arn]

  environment {
    variables = { MESSAGE = var.message }
  }
  snap_start {
    apply_on = "PublishedVersions"
  }
}

resource "aws_lambda_alias" "quick" {
  name             = "live"
  function_name    = aws_lambda_function.quick.function_name
  function_version = aws_lambda_function.quick.version
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  function_name                     = aws_lambda_alias.live.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = 1
}

resource "aws_lambda_function_url" "live" {
  function_name      = aws_lambda_function.hello.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = "AWS_IAM"
  invoke_mode        = "RESPONSE_STREAM"
  cors {
    allow_origins = ["https://example.com"]
    allow_methods = ["GET", "POST"]
    max_age       = 600
  }
}

resource "aws_lambda_permission" "bucket" {
  statement_id   = "bucket"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.hello.function_name
  qualifier      = aws_lambda_alias.live.name
  principal      = "s3.amazonaws.com"
  source_arn     = "arn:aws:s3:::pictures"
  source_account = data.aws_caller_identity.current.account_id
}

resource "aws_lambda_event_source_mapping" "queue" {
  event_source_arn                   = "arn:aws:sqs:us-east-1:000000000000:orders"
  function_name                      = aws_lambda_alias.live.arn
  batch_size                         = 20
  maximum_batching_window_in_seconds = 5
  function_response_types            = ["ReportBatchItemFailures"]
  filter_criteria {
    filter {
      pattern = jsonencode({ body = { kind = ["order"] } })
    }
  }
  scaling_config {
    maximum_concurrency = 10
  }
}

resource "aws_lambda_function_event_invoke_config" "live" {
  function_name                = aws_lambda_function.hello.function_name
  qualifier                    = aws_lambda_alias.live.name
  maximum_event_age_in_seconds = 600
  maximum_retry_attempts       = 1
  destination_config {
    on_failure {
      destination = "arn:aws:sqs:us-east-1:000000000000:failures"
    }
  }
}

resource "aws_lambda_runtime_management_config" "hello" {
  function_name     = aws_lambda_function.hello.function_name
  update_runtime_on = "FunctionUpdate"
}

resource "aws_lambda_function_recursion_config" "hello" {
  function_name  = aws_lambda_function.hello.function_name
  recursive_loop = "Allow"
}

output "version" {
  value = aws_lambda_function.hello.version
}

output "url" {
  value = aws_lambda_function_url.live.function_url
}
