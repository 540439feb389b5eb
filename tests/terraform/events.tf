# A bus with rules, an archive and a web server as a target, and schedules, as people deploy them with Terraform. `endpoint` is
# the server; `minutes` is what an update changes.
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

variable "minutes" {
  type    = number
  default = 5
}

provider "aws" {
  region                  = "us-east-1"
  access_key              = "test"
  secret_key              = "test"
  skip_metadata_api_check = true
  skip_region_validation  = true
  endpoints {
    events    = var.endpoint
    iam       = var.endpoint
    lambda    = var.endpoint
    scheduler = var.endpoint
    sts       = var.endpoint
  }
}

resource "aws_iam_role" "all" {
  name = "events-all"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow", Action = "sts:AssumeRole",
      Principal = { Service = ["lambda.amazonaws.com", "events.amazonaws.com", "scheduler.amazonaws.com"] }
    }]
  })
}

resource "aws_lambda_function" "prints" {
  function_name    = "events-prints"
  role             = aws_iam_role.all.arn
  runtime          = "python3.12"
  handler          = "app.handler"
  filename         = "prints.zip"
  source_code_hash = filebase64sha256("prints.zip")
}

resource "aws_cloudwatch_event_bus" "orders" {
  name        = "orders"
  description = "all that is ordered"
  tags        = { colour = "red" }
}

resource "aws_cloudwatch_event_permission" "other" {
  principal      = "111111111111"
  statement_id   = "other"
  event_bus_name = aws_cloudwatch_event_bus.orders.name
}

resource "aws_cloudwatch_event_rule" "large" {
  name           = "large"
  description    = "orders of more than ten"
  event_bus_name = aws_cloudwatch_event_bus.orders.name
  event_pattern = jsonencode({
    source = ["shop"]
    detail = { total = [{ numeric = [">", 10] }] }
  })
  tags = { colour = "blue" }
}

resource "aws_cloudwatch_event_target" "function" {
  rule           = aws_cloudwatch_event_rule.large.name
  event_bus_name = aws_cloudwatch_event_bus.orders.name
  arn            = aws_lambda_function.prints.arn
  input_transformer {
    input_paths    = { total = "$.detail.total" }
    input_template = "{\"total\": <total>}"
  }
  retry_policy {
    maximum_retry_attempts       = 2
    maximum_event_age_in_seconds = 60
  }
}

resource "aws_cloudwatch_event_rule" "timed" {
  name                = "timed"
  schedule_expression = "rate(${var.minutes} minutes)"
}

resource "aws_cloudwatch_event_target" "timed" {
  rule  = aws_cloudwatch_event_rule.timed.name
  arn   = aws_lambda_function.prints.arn
  input = jsonencode({ timed = true })
}

resource "aws_cloudwatch_event_archive" "orders" {
  name             = "orders"
  event_source_arn = aws_cloudwatch_event_bus.orders.arn
  retention_days   = 7
  event_pattern    = jsonencode({ source = ["shop"] })
}

resource "aws_cloudwatch_event_connection" "key" {
  name               = "key"
  authorization_type = "API_KEY"
  auth_parameters {
    api_key {
      key   = "x-key"
      value = "hush"
    }
    invocation_http_parameters {
      header {
        key   = "x-open"
        value = "open"
      }
      body {
        key             = "secret"
        value           = "hush"
        is_value_secret = true
      }
    }
  }
}

resource "aws_cloudwatch_event_connection" "token" {
  name               = "token"
  authorization_type = "OAUTH_CLIENT_CREDENTIALS"
  auth_parameters {
    oauth {
      authorization_endpoint = "https://auth.test/token"
      http_method            = "POST"
      client_parameters {
        client_id     = "me"
        client_secret = "hush"
      }
      oauth_http_parameters {
        body {
          key   = "audience"
          value = "shop"
        }
      }
    }
  }
}

resource "aws_cloudwatch_event_api_destination" "web" {
  name                             = "web"
  invocation_endpoint              = "https://web.test/orders/*"
  http_method                      = "POST"
  invocation_rate_limit_per_second = 20
  connection_arn                   = aws_cloudwatch_event_connection.key.arn
}

resource "aws_cloudwatch_event_target" "web" {
  rule           = aws_cloudwatch_event_rule.large.name
  event_bus_name = aws_cloudwatch_event_bus.orders.name
  target_id      = "web"
  arn            = aws_cloudwatch_event_api_destination.web.arn
  role_arn       = aws_iam_role.all.arn
  http_target {
    path_parameter_values   = ["$.detail.id"]
    header_parameters       = { x-a = "a" }
    query_string_parameters = { b = "$.detail.b" }
  }
}

resource "aws_scheduler_schedule_group" "daily" {
  name = "daily"
  tags = { colour = "green" }
}

resource "aws_scheduler_schedule" "morning" {
  name                         = "morning"
  group_name                   = aws_scheduler_schedule_group.daily.name
  schedule_expression          = "cron(0 8 * * ? *)"
  schedule_expression_timezone = "Europe/Berlin"
  flexible_time_window {
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = var.minutes
  }
  target {
    arn      = aws_lambda_function.prints.arn
    role_arn = aws_iam_role.all.arn
    input    = jsonencode({ morning = true })
    retry_policy {
      maximum_retry_attempts       = 3
      maximum_event_age_in_seconds = 600
    }
  }
}

resource "aws_scheduler_schedule" "bus" {
  name                = "bus"
  schedule_expression = "rate(1 hours)"
  flexible_time_window {
    mode = "OFF"
  }
  target {
    arn      = aws_cloudwatch_event_bus.orders.arn
    role_arn = aws_iam_role.all.arn
    eventbridge_parameters {
      detail_type = "order"
      source      = "shop"
    }
  }
}
