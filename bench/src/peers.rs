//! Other servers that run Lambda handlers, measured in the same run, with the same handlers and the same client.

mod catalog;
mod install;
mod measure;
mod process;

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::options::Options;
use crate::table::Table;
use catalog::Peer;
use measure::Bench;

/// Where the peers' files are; installed ones go to `.cache` in it.
fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// Measures the rows that are wanted. One that cannot be measured says why and does not end the run.
pub(crate) fn run_all(options: &Options) -> Result<Table> {
    let mut table = Table::default();
    let mut bench = None;
    for peer in Peer::ALL {
        for row in peer.rows() {
            let what = row.what(peer);
            if !options.wants(&what) {
                continue;
            }
            eprintln!("measuring {what}");
            let measured = match &mut bench {
                Some(bench) => Ok(bench),
                none => Bench::start(options.is_short).map(|started| none.insert(started)),
            };
            if let Err(error) = measured.and_then(|bench| bench.measure(&mut table, peer, row, &what)) {
                table.skip(&what, &format!("{error:#}"));
            }
        }
    }
    Ok(table)
}
