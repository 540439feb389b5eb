//! The control plane with many functions in the store: reads against a bare HTTP echo, writes against the echo and
//! the disk's own fsync, and the pages of a long list, the last against the first.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::echo;
use crate::figures::{Figures, Row};
use crate::http::Connection;
use crate::server::Server;

/// Functions in the store.
const FUNCTIONS: usize = 10_000;
/// Connections that create them.
const CREATORS: usize = 16;
/// Calls of each kind that are measured.
const CALLS: usize = 1_000;
const WRITES: usize = 300;
/// fsyncs of a small file.
const SYNCS: usize = 200;
const SUBJECT: &str = "control plane, 10,000 functions";

/// Measures.
pub(crate) fn run() -> Result<Vec<Row>> {
    let floor_read = read_floor()?;
    let floor_write = sync_floor()?;
    let server = Server::start()?;
    fill(&server)?;
    let address = server.address();

    let mut rows = Vec::new();
    for (what, path) in [
        ("GetFunctionConfiguration", "/2015-03-31/functions/NAME/configuration"),
        ("GetFunction", "/2015-03-31/functions/NAME"),
        ("GetFunctionConcurrency", "/2019-09-30/functions/NAME/concurrency"),
        ("ListVersionsByFunction", "/2015-03-31/functions/NAME/versions"),
        ("GetAccountSettings", "/2016-08-19/account-settings"),
    ] {
        eprintln!("measuring {what}");
        rows.push(Row::time(SUBJECT, what, &reads(address, path)?, "bare HTTP echo", &floor_read));
    }
    eprintln!("measuring ListFunctions");
    let (first, last) = pages(address)?;
    rows.push(Row::time(SUBJECT, "ListFunctions, last page of 50", &last, "first page", &first));
    for (what, method, path, body) in [
        (
            "UpdateFunctionConfiguration",
            "PUT",
            "/2015-03-31/functions/NAME/configuration",
            json!({ "Description": "changed" }),
        ),
        (
            "PutFunctionEventInvokeConfig",
            "PUT",
            "/2019-09-25/functions/NAME/event-invoke-config",
            json!({ "MaximumRetryAttempts": 1 }),
        ),
        (
            "CreateAlias",
            "POST",
            "/2015-03-31/functions/NAME/aliases",
            json!({ "Name": "live", "FunctionVersion": "$LATEST" }),
        ),
    ] {
        eprintln!("measuring {what}");
        rows.push(Row::time(SUBJECT, what, &writes(address, method, path, &body)?, "one fsync", &floor_write));
    }
    Ok(rows)
}

fn name(number: usize) -> String {
    format!("function-{number:05}")
}

/// A function somewhere in the store, another one at each call.
fn somewhere(call: usize) -> String {
    name(call * 7_919 % FUNCTIONS)
}

fn fill(server: &Server) -> Result<()> {
    let next = AtomicUsize::new(0);
    let code = crate::server::zip("app.py", "def handler(event, context): return 1\n")?;
    let create = || -> Result<()> {
        let mut connection = Connection::open(server.address())?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= FUNCTIONS {
                return Ok(());
            }
            if number.is_multiple_of(1_000) {
                eprintln!("creating functions: {number} of {FUNCTIONS}");
            }
            let request = json!({
                "FunctionName": name(number), "Runtime": "provided.al2023", "Handler": "app.handler",
                "Role": "arn:aws:iam::000000000000:role/bench", "Code": {"ZipFile": code},
                "Environment": {"Variables": {"NUMBER": number.to_string()}},
            });
            call(&mut connection, "POST", "/2015-03-31/functions", &request)?;
        }
    };
    std::thread::scope(|scope| {
        let creators: Vec<_> = (0..CREATORS).map(|_| scope.spawn(create)).collect();
        creators.into_iter().try_for_each(|creator| creator.join().expect("a creator does not panic"))
    })?;
    // The last ones are still being prepared.
    (0..FUNCTIONS).rev().take(200).try_for_each(|number| server.wait_ready(&name(number)))
}

fn reads(address: SocketAddr, path: &str) -> Result<Figures> {
    let mut connection = Connection::open(address)?;
    let mut times = Vec::with_capacity(CALLS);
    for number in 0..CALLS + CALLS / 10 {
        let path = path.replace("NAME", &somewhere(number));
        let started = Instant::now();
        call(&mut connection, "GET", &path, &Value::Null)?;
        if number >= CALLS / 10 {
            times.push(started.elapsed());
        }
    }
    Ok(Figures::of(times))
}

fn writes(address: SocketAddr, method: &str, path: &str, body: &Value) -> Result<Figures> {
    let mut connection = Connection::open(address)?;
    let mut times = Vec::with_capacity(WRITES);
    for number in 0..WRITES {
        let path = path.replace("NAME", &somewhere(number));
        let started = Instant::now();
        call(&mut connection, method, &path, body)?;
        times.push(started.elapsed());
    }
    Ok(Figures::of(times))
}

/// Walks the whole list several times; the times of the first pages and of the last full ones.
fn pages(address: SocketAddr) -> Result<(Figures, Figures)> {
    let mut connection = Connection::open(address)?;
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let (mut path, mut times, mut seen) = ("/2015-03-31/functions".to_owned(), Vec::new(), 0);
        loop {
            let started = Instant::now();
            let page = call(&mut connection, "GET", &path, &Value::Null)?;
            times.push(started.elapsed());
            seen += page["Functions"].as_array().map_or(0, Vec::len);
            let Some(marker) = page["NextMarker"].as_str() else { break };
            path = format!("/2015-03-31/functions?Marker={marker}");
        }
        if seen != FUNCTIONS {
            bail!("the list has {seen} functions, not {FUNCTIONS}");
        }
        first.extend(times.iter().take(10));
        last.extend(times.iter().rev().take(10));
    }
    Ok((Figures::of(first), Figures::of(last)))
}

fn call(connection: &mut Connection, method: &str, path: &str, request: &Value) -> Result<Value> {
    let body = if request.is_null() { Vec::new() } else { serde_json::to_vec(request)? };
    let response = connection.send(method, path, &body)?;
    if !(200..300).contains(&response.status) {
        bail!("{method} {path} answered {}: {}", response.status, String::from_utf8_lossy(&response.body));
    }
    Ok(serde_json::from_slice(&response.body).unwrap_or(Value::Null))
}

fn read_floor() -> Result<Figures> {
    eprintln!("measuring the echo floor");
    let mut connection = Connection::open(echo::start()?)?;
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let started = Instant::now();
        connection.post("/", &[b'x'; 1_000])?;
        times.push(started.elapsed());
    }
    Ok(Figures::of(times))
}

/// An fsync of one small append, in the directory in which the server keeps its store.
fn sync_floor() -> Result<Figures> {
    eprintln!("measuring the fsync floor");
    let directory = tempfile::tempdir()?;
    let mut file = File::create(directory.path().join("floor")).context("failed to make a file for the floor")?;
    let mut times: Vec<Duration> = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let started = Instant::now();
        file.write_all(&[0; 4_096])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    Ok(Figures::of(times))
}
