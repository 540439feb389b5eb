# A bucket with what people put beside it, an object, and a function that is told of objects. `endpoint` is the server; `colour`
# is what an update changes.
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

variable "colour" {
  type    = string
  default = "red"
}

provider "aws" {
  region                  = "us-east-1"
  access_key              = "test"
  secret_key              = "test"
  skip_metadata_api_check = true
  skip_region_validation  = true
  s3_use_path_style       = true
  endpoints {
    iam    = var.endpoint
    lambda = var.endpoint
    s3     = var.endpoint
    sts    = var.endpoint
  }
}

resource "aws_s3_bucket" "photos" {
  bucket        = "photos-of-terraform"
  force_destroy = true
  tags          = { colour = var.colour }
}

resource "aws_s3_bucket_versioning" "photos" {
  bucket = aws_s3_bucket.photos.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_public_access_block" "photos" {
  bucket                  = aws_s3_bucket.photos.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = false
}

resource "aws_s3_bucket_ownership_controls" "photos" {
  bucket = aws_s3_bucket.photos.id
  rule {
    object_ownership = "BucketOwnerPreferred"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "photos" {
  bucket = aws_s3_bucket.photos.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_cors_configuration" "photos" {
  bucket = aws_s3_bucket.photos.id
  cors_rule {
    allowed_headers = ["*"]
    allowed_methods = ["GET", "PUT"]
    allowed_origins = ["https://example.com"]
    max_age_seconds = 60
  }
}

resource "aws_s3_bucket_policy" "photos" {
  bucket = aws_s3_bucket.photos.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:DeleteBucket"
      Resource  = aws_s3_bucket.photos.arn
      Condition = { Bool = { "aws:SecureTransport" = "never" } }
    }]
  })
}

resource "aws_s3_object" "code" {
  bucket      = aws_s3_bucket.photos.id
  key         = "code/told.zip"
  source      = "told.zip"
  source_hash = filemd5("told.zip")
  tags        = { colour = var.colour }
  depends_on  = [aws_s3_bucket_versioning.photos]
}

resource "aws_iam_role" "function" {
  name = "told-by-s3"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
}

resource "aws_lambda_function" "told" {
  function_name     = "told-by-s3"
  role              = aws_iam_role.function.arn
  runtime           = "python3.12"
  handler           = "app.handler"
  s3_bucket         = aws_s3_bucket.photos.id
  s3_key            = aws_s3_object.code.key
  s3_object_version = aws_s3_object.code.version_id
}

resource "aws_lambda_permission" "told" {
  statement_id  = "s3"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.told.function_name
  principal     = "s3.amazonaws.com"
  source_arn    = aws_s3_bucket.photos.arn
}

resource "aws_s3_bucket_notification" "photos" {
  bucket = aws_s3_bucket.photos.id
  lambda_function {
    lambda_function_arn = aws_lambda_function.told.arn
    events              = ["s3:ObjectCreated:*"]
    filter_prefix       = "in/"
    filter_suffix       = ".jpg"
  }
  depends_on = [aws_lambda_permission.told]
}
