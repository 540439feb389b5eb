# An HTTP API in front of a function, as people deploy it with Terraform. `endpoint` is the server; `timeout` is what an
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

variable "timeout" {
  type    = number
  default = 5000
}

provider "aws" {
  region                  = "us-east-1"
  access_key              = "test"
  secret_key              = "test"
  skip_metadata_api_check = true
  skip_region_validation  = true
  endpoints {
    apigatewayv2 = var.endpoint
    iam          = var.endpoint
    lambda       = var.endpoint
    sts          = var.endpoint
  }
}

resource "aws_iam_role" "function" {
  name = "http-api-function"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
}

resource "aws_lambda_function" "echo" {
  function_name    = "http-api-echo"
  role             = aws_iam_role.function.arn
  runtime          = "python3.12"
  handler          = "app.handler"
  filename         = "echo.zip"
  source_code_hash = filebase64sha256("echo.zip")
}

resource "aws_lambda_permission" "api" {
  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.echo.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.shop.execution_arn}/*/*"
}

resource "aws_apigatewayv2_api" "shop" {
  name          = "shop"
  protocol_type = "HTTP"
  description   = "a shop"
  tags          = { team = "shop" }
  cors_configuration {
    allow_origins = ["https://shop.example"]
    allow_methods = ["GET", "POST"]
    allow_headers = ["content-type"]
    max_age       = 300
  }
}

resource "aws_apigatewayv2_integration" "echo" {
  api_id                 = aws_apigatewayv2_api.shop.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = aws_lambda_function.echo.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = var.timeout
}

resource "aws_apigatewayv2_authorizer" "tokens" {
  api_id           = aws_apigatewayv2_api.shop.id
  authorizer_type  = "JWT"
  name             = "tokens"
  identity_sources = ["$request.header.Authorization"]
  jwt_configuration {
    audience = ["shop"]
    issuer   = "https://issuer.example"
  }
}

resource "aws_apigatewayv2_authorizer" "asking" {
  api_id                            = aws_apigatewayv2_api.shop.id
  authorizer_type                   = "REQUEST"
  name                              = "asking"
  authorizer_uri                    = aws_lambda_function.echo.invoke_arn
  authorizer_payload_format_version = "2.0"
  authorizer_result_ttl_in_seconds  = 60
  enable_simple_responses           = true
  identity_sources                  = ["$request.header.X-Token"]
}

resource "aws_apigatewayv2_route" "open" {
  api_id    = aws_apigatewayv2_api.shop.id
  route_key = "GET /items/{id}"
  target    = "integrations/${aws_apigatewayv2_integration.echo.id}"
}

resource "aws_apigatewayv2_route" "closed" {
  api_id               = aws_apigatewayv2_api.shop.id
  route_key            = "POST /items"
  target               = "integrations/${aws_apigatewayv2_integration.echo.id}"
  authorization_type   = "JWT"
  authorizer_id        = aws_apigatewayv2_authorizer.tokens.id
  authorization_scopes = ["write"]
}

resource "aws_apigatewayv2_route" "asked" {
  api_id             = aws_apigatewayv2_api.shop.id
  route_key          = "$default"
  target             = "integrations/${aws_apigatewayv2_integration.echo.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = aws_apigatewayv2_authorizer.asking.id
}

resource "aws_apigatewayv2_stage" "live" {
  api_id      = aws_apigatewayv2_api.shop.id
  name        = "live"
  auto_deploy = true
  stage_variables = {
    colour = "red"
  }
  default_route_settings {
    throttling_burst_limit = 50
    throttling_rate_limit  = 100
  }
  route_settings {
    route_key              = aws_apigatewayv2_route.open.route_key
    throttling_burst_limit = 20
    throttling_rate_limit  = 40.5
  }
  tags = { team = "shop" }
}

resource "aws_apigatewayv2_deployment" "first" {
  api_id      = aws_apigatewayv2_api.shop.id
  description = "by hand"
  depends_on  = [aws_apigatewayv2_route.open]
}

resource "aws_apigatewayv2_stage" "kept" {
  api_id        = aws_apigatewayv2_api.shop.id
  name          = "kept"
  deployment_id = aws_apigatewayv2_deployment.first.id
}

resource "aws_apigatewayv2_domain_name" "shop" {
  domain_name = "api.shop.test"
  domain_name_configuration {
    certificate_arn = "arn:aws:acm:us-east-1:000000000000:certificate/00000000-0000-0000-0000-000000000000"
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

resource "aws_apigatewayv2_api_mapping" "shop" {
  api_id          = aws_apigatewayv2_api.shop.id
  domain_name     = aws_apigatewayv2_domain_name.shop.id
  stage           = aws_apigatewayv2_stage.live.id
  api_mapping_key = "v1"
}

# By quick create.
resource "aws_apigatewayv2_api" "quick" {
  name          = "quick"
  protocol_type = "HTTP"
  target        = aws_lambda_function.echo.arn
}

output "api" {
  value = aws_apigatewayv2_api.shop.id
}

output "endpoint" {
  value = aws_apigatewayv2_stage.live.invoke_url
}

output "quick" {
  value = aws_apigatewayv2_api.quick.id
}
