//! The URI by which an integration or an authorizer names a Lambda function.
//!
//! `arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/FUNCTION/invocations`, where FUNCTION is an ARN or a
//! name, with a qualifier or without, and may have stage variables in it: `${stageVariables.name}` (developer guide,
//! "Using stage variables").

use super::RestApiError;
use super::records::Named;

const VARIABLE: &str = "${stageVariables.";

/// Such a URI, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InvokeUri<'a> {
    /// The function as it is written, with its stage variables.
    function: &'a str,
}

impl<'a> InvokeUri<'a> {
    /// Reads a URI.
    ///
    /// # Errors
    /// When it is for something other than invoking a function.
    pub(super) fn parse(uri: &'a str) -> Result<Self, RestApiError> {
        let parts: Vec<&str> = uri.splitn(6, ':').collect();
        let ["arn", _, "apigateway", _, service, path] = parts.as_slice() else {
            return Err(RestApiError::bad("Invalid ARN specified in the request"));
        };
        if *service != "lambda" {
            return Err(RestApiError::bad(
                "Integrations of type 'AWS_PROXY' currently only supports Lambda function invocations.",
            ));
        }
        let path = path.strip_prefix("path/").map(|path| path.trim_start_matches('/'));
        let path = path.ok_or_else(|| RestApiError::bad("AWS ARN for integration must contain path or action"))?;
        if path.ends_with("/response-streaming-invocations") {
            return Err(RestApiError::unsupported("Response streams of REST APIs are"));
        }
        let function = path
            .strip_prefix("2015-03-31/functions/")
            .and_then(|rest| rest.strip_suffix("/invocations"))
            .filter(|function| !function.is_empty() && !function.contains('/'));
        let function = function.ok_or_else(|| RestApiError::bad("Invalid lambda function"))?;
        Ok(Self { function })
    }

    /// The function with the variables of a stage put in; one that the stage does not have is empty.
    pub(super) fn function(&self, variables: &Named<String>) -> String {
        let (mut text, mut rest) = (String::new(), self.function);
        while let Some((before, after)) = rest.split_once(VARIABLE) {
            text.push_str(before);
            match after.split_once('}') {
                Some((name, after)) => {
                    text.push_str(variables.get(name).map_or("", String::as_str));
                    rest = after;
                }
                None => {
                    text.push_str(VARIABLE);
                    rest = after;
                }
            }
        }
        text.push_str(rest);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

    fn uri(function: &str) -> String {
        format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations")
    }

    #[test]
    fn a_function_is_found_in_every_form() {
        let none = Named::new();
        for function in [FUNCTION, "f", &format!("{FUNCTION}:live")] {
            assert_eq!(InvokeUri::parse(&uri(function)).unwrap().function(&none), function);
        }
        let doubled = uri(FUNCTION).replace("path/", "path//");
        assert_eq!(InvokeUri::parse(&doubled).unwrap().function(&none), FUNCTION);
    }

    #[test]
    fn stage_variables_are_put_in() {
        let variables = Named::from([("alias".to_owned(), "live".to_owned()), ("name".to_owned(), "g".to_owned())]);
        let uri = uri("arn:aws:lambda:us-east-1:0:function:${stageVariables.name}:${stageVariables.alias}");
        assert_eq!(InvokeUri::parse(&uri).unwrap().function(&variables), "arn:aws:lambda:us-east-1:0:function:g:live");
        assert_eq!(InvokeUri::parse(&uri).unwrap().function(&Named::new()), "arn:aws:lambda:us-east-1:0:function::");
    }

    #[test]
    fn everything_else_is_refused() {
        for uri in [
            "",
            "http://example.com",
            "arn:aws:lambda:us-east-1:000000000000:function:f",
            "arn:aws:apigateway:us-east-1:sqs:path/0/queue",
            "arn:aws:apigateway:us-east-1:lambda:action/Invoke",
            "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions//invocations",
            "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/f/response-streaming-invocations",
        ] {
            assert!(InvokeUri::parse(uri).is_err(), "{uri}");
        }
    }
}
