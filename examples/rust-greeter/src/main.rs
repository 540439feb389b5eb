//! A Lambda function in Rust: the official runtime crate, deployed as `provided.al2023`.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Request {
    name: Option<String>,
}

#[derive(Serialize)]
struct Response {
    greeting: String,
    request_id: String,
}

async fn greet(event: LambdaEvent<Request>) -> Result<Response, Error> {
    let name = event.payload.name.unwrap_or_else(|| "world".to_owned());
    if name == "nobody" {
        return Err("nobody to greet".into());
    }
    println!("greeting {name}");
    Ok(Response { greeting: format!("Hello, {name}!"), request_id: event.context.request_id })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(greet)).await
}
