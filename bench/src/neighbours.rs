//! How much slower a function gets beside a hostile one: the same invokes alone and beside each neighbour, in turn.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::figures::Figures;
use crate::http::Connection;
use crate::interpreters::Interpreters;
use crate::options::Options;
use crate::server::{Server, zip};
use crate::table::{Table, Wanted};
use crate::{answer, time};

const VICTIM: &str = "def handler(event, context):\n    return event\n";
/// Invokes of the victim in one turn.
const CALLS: usize = 400;
/// Turns of each kind.
const TURNS: usize = 5;
/// Environments that each neighbour keeps busy.
const CALLERS: usize = 2;
/// From the first invoke of a neighbour to the victim's: it is at its worst by then.
const SETTLE: Duration = Duration::from_millis(500);
/// Between two invokes of the victim, so that it is not the one that keeps the machine busy.
const PAUSE: Duration = Duration::from_millis(1);

/// What each does to the machine, in a handler of a second and for as long as it is invoked.
const NEIGHBOURS: [(&str, &str); 5] = [
    ("fork bomb", include_str!("neighbours/forks.py")),
    ("spinning threads", include_str!("neighbours/spins.py")),
    ("full disk", include_str!("neighbours/fills.py")),
    ("log flood", include_str!("neighbours/floods.py")),
    ("answers of 100 MB", "def handler(event, context):\n    return 'x' * 100_000_000\n"),
];

/// Measures the rows that are wanted.
pub(crate) fn run_all(options: &Options) -> Result<Table> {
    let server = Server::start()?;
    let runtime = Interpreters::find()?.python_runtime;
    server.deploy("victim", &runtime, "app.handler", "app.py", VICTIM)?;
    let mut table = Table::default();
    for (number, (neighbour, source)) in NEIGHBOURS.into_iter().enumerate() {
        let what = format!("a function beside a neighbour: {neighbour}");
        if !options.wants(&what) {
            continue;
        }
        eprintln!("measuring {what}");
        let name = format!("neighbour-{number}");
        let members = serde_json::json!({ "MemorySize": 512 });
        server.deploy_with(&name, &runtime, "app.handler", &zip("app.py", source)?, &members)?;
        let turns = if options.is_short { 1 } else { TURNS };
        match measure(&server, &name, turns) {
            Ok((alone, beside)) => {
                table.time(&what, &beside, "alone", &alone, Wanted::Nothing);
                table.tail(&format!("{what}, the slowest in a hundred"), &beside, "alone", &alone, Wanted::AtMost(1.5));
            }
            Err(error) => table.skip(&what, &format!("{error:#}")),
        }
        server.call("DELETE", &format!("/2015-03-31/functions/{name}"), &serde_json::Value::Null)?;
    }
    Ok(table)
}

/// The victim alone and beside the neighbour, in turn, so that drift of the machine hits both.
fn measure(server: &Server, neighbour: &str, turns: usize) -> Result<(Figures, Figures)> {
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        alone.extend(victim(server)?);
        let (is_over, begun) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| -> Result<()> {
            let callers: Vec<_> =
                (0..CALLERS).map(|_| scope.spawn(|| be_hostile(server, neighbour, &is_over, &begun))).collect();
            let settled = Instant::now() + SETTLE;
            while begun.load(Ordering::Acquire) < CALLERS || Instant::now() < settled {
                std::thread::sleep(PAUSE);
            }
            let times = victim(server);
            is_over.store(true, Ordering::Release);
            for caller in callers {
                caller.join().expect("a caller does not panic")?;
            }
            beside.extend(times?);
            Ok(())
        })?;
    }
    Ok((Figures::of(alone), Figures::of(beside)))
}

fn victim(server: &Server) -> Result<Vec<Duration>> {
    let mut connection = Connection::open(server.address())?;
    let path = "/2015-03-31/functions/victim/invocations";
    answer(&mut connection, path, b"{}")?;
    (0..CALLS)
        .map(|_| {
            std::thread::sleep(PAUSE);
            time(|| answer(&mut connection, path, b"{}"))
        })
        .collect()
}

/// Invokes the neighbour until it is over. How its invokes end is its own affair.
fn be_hostile(server: &Server, name: &str, is_over: &AtomicBool, begun: &AtomicUsize) -> Result<()> {
    let mut connection = Connection::open(server.address())?;
    begun.fetch_add(1, Ordering::AcqRel);
    while !is_over.load(Ordering::Acquire) {
        let response = connection.post(&format!("/2015-03-31/functions/{name}/invocations"), b"{}")?;
        ensure!(response.status == 200, "the neighbour was refused with {}", response.status);
    }
    Ok(())
}
