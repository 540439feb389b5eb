//! One group: a directory of segment files and what is known of them, read at first use.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tindra_core::clock::UnixMs;
use uuid::Uuid;

use super::file_name;
use super::handles::Handles;
use super::stream::{Segment, Stream};
use crate::open::LogBounds;
use crate::{LogEvent, LogGroup};

/// The file that makes a directory a group. No segment has this name, because it has no position.
const ABOUT: &str = "group.json";

/// What [`ABOUT`] holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) scope: String,
    pub(super) name: String,
    pub(super) created_ms: UnixMs,
}

/// A group; behind a mutex of its own, so that groups do not wait for each other.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) about: About,
    pub(super) directory: PathBuf,
    /// Set once it is removed: whoever still holds it looks it up again.
    pub(super) gone: bool,
    streams: Option<BTreeMap<String, Stream>>,
    file_bytes: u64,
}

/// Where the events of a read are.
#[derive(Debug)]
pub(super) struct Extent {
    pub(super) path: PathBuf,
    pub(super) segment: Segment,
}

impl Group {
    /// Makes the directory; durable, unlike what goes into it.
    pub(super) fn create(directory: PathBuf, about: About) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        let unfinished = directory.join(format!("{ABOUT}.{}", Uuid::new_v4().simple()));
        fs::write(&unfinished, serde_json::to_vec(&about)?)?;
        fs::File::open(&unfinished)?.sync_all()?;
        fs::rename(&unfinished, directory.join(ABOUT))?;
        Ok(Self { about, directory, gone: false, streams: Some(BTreeMap::new()), file_bytes: 0 })
    }

    /// Opens a directory; `None` when it is not a whole group.
    pub(super) fn open(directory: PathBuf) -> Option<Self> {
        let about = serde_json::from_slice(&fs::read(directory.join(ABOUT)).ok()?).ok()?;
        Some(Self { about, directory, gone: false, streams: None, file_bytes: 0 })
    }

    fn streams(&mut self) -> io::Result<&mut BTreeMap<String, Stream>> {
        if self.streams.is_none() {
            let streams = load(&self.directory)?;
            self.file_bytes = streams.values().map(Stream::file_bytes).sum();
            self.streams = Some(streams);
        }
        Ok(self.streams.get_or_insert_default())
    }

    pub(super) fn listed(&mut self) -> io::Result<LogGroup> {
        let stored_bytes = self
            .streams()?
            .values()
            .flat_map(|stream| &stream.segments)
            .map(|segment| segment.summary.message_bytes)
            .sum();
        Ok(LogGroup { name: self.about.name.clone(), created_ms: self.about.created_ms, stored_bytes })
    }

    /// A view of every stream, by name.
    pub(super) fn list<T>(&mut self, view: impl FnMut(&Stream) -> T) -> io::Result<Vec<T>> {
        Ok(self.streams()?.values().map(view).collect())
    }

    pub(super) fn end(&mut self, stream: &str) -> io::Result<Option<u64>> {
        Ok(self.streams()?.get(stream).map(Stream::end))
    }

    /// The segments that hold events from a position on.
    pub(super) fn extents(&mut self, stream: &str, from: u64) -> io::Result<Option<Vec<Extent>>> {
        let directory = self.directory.clone();
        Ok(self.streams()?.get(stream).map(|stream| {
            let later = stream.segments.iter().filter(|segment| segment.end() > from);
            later
                .map(|segment| Extent { path: stream.path(&directory, segment.base), segment: segment.clone() })
                .collect()
        }))
    }

    pub(super) fn append(
        &mut self,
        stream: &str,
        events: &[LogEvent],
        now_ms: UnixMs,
        bounds: &LogBounds,
        handles: &Handles,
    ) -> io::Result<()> {
        let directory = self.directory.clone();
        let streams = self.streams()?;
        let entry = streams.entry(stream.to_owned()).or_insert_with(|| Stream::new(stream, now_ms));
        let before = entry.file_bytes();
        let written = entry.append(&directory, handles, bounds.segment_bytes_max, events);
        let after = entry.file_bytes();
        if after == 0 {
            streams.remove(stream);
        }
        self.file_bytes = self.file_bytes + after - before;
        self.trim(stream, bounds, handles)?;
        written
    }

    /// Removes the oldest segments until the bounds hold; never the one that is being written to.
    fn trim(&mut self, current: &str, bounds: &LogBounds, handles: &Handles) -> io::Result<()> {
        while let Some(victim) = self.over_bounds(current, bounds) {
            self.remove_first_segment(&victim, handles)?;
        }
        Ok(())
    }

    /// The stream whose first segment goes next.
    fn over_bounds(&self, current: &str, bounds: &LogBounds) -> Option<String> {
        let streams = self.streams.as_ref()?;
        let appended = streams.get(current)?;
        if appended.segments.len() > 1 && appended.file_bytes() > bounds.stream_bytes_max {
            return Some(current.to_owned());
        }
        let others = || streams.values().filter(|stream| stream.name != current || stream.segments.len() > 1);
        if self.file_bytes > bounds.group_bytes_max {
            let age = |stream: &&Stream| stream.segments.front().map(|segment| segment.summary.last_ingestion_ms);
            return others().min_by_key(age).map(|stream| stream.name.clone());
        }
        if streams.len() > bounds.group_streams_max {
            let idle = streams.values().filter(|stream| stream.name != current);
            return idle.min_by_key(|stream| stream.used_ms()).map(|stream| stream.name.clone());
        }
        None
    }

    /// Removes the segments all of whose events are older than a time.
    pub(super) fn expire(&mut self, before_ms: UnixMs, handles: &Handles) -> io::Result<()> {
        let is_old = |segment: &Segment| segment.summary.count > 0 && segment.summary.last_event_ms < before_ms;
        loop {
            let old = self.streams()?.values().find(|stream| stream.segments.front().is_some_and(is_old));
            let Some(name) = old.map(|stream| stream.name.clone()) else { return Ok(()) };
            self.remove_first_segment(&name, handles)?;
        }
    }

    /// Removes a stream with all its segments; false when there is none.
    pub(super) fn delete_stream(&mut self, name: &str, handles: &Handles) -> io::Result<bool> {
        let is_there = self.streams()?.contains_key(name);
        while self.streams()?.contains_key(name) {
            self.remove_first_segment(name, handles)?;
        }
        Ok(is_there)
    }

    fn remove_first_segment(&mut self, name: &str, handles: &Handles) -> io::Result<()> {
        let directory = self.directory.clone();
        let streams = self.streams()?;
        let Some(stream) = streams.get_mut(name) else { return Ok(()) };
        if let Some(first) = stream.segments.pop_front() {
            let path = stream.path(&directory, first.base);
            if stream.segments.is_empty() {
                streams.remove(name);
            }
            self.file_bytes -= first.file_bytes;
            handles.forget(&path);
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

fn load(directory: &Path) -> io::Result<BTreeMap<String, Stream>> {
    let mut bases: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if let Some((stream, base)) = name.to_str().and_then(file_name::parse_segment) {
            bases.entry(stream.to_owned()).or_default().push(base);
        }
    }
    let mut streams = BTreeMap::new();
    for (encoded, bases) in bases {
        if let Some(stream) = Stream::load(directory, &encoded, bases)? {
            streams.insert(stream.name.clone(), stream);
        }
    }
    Ok(streams)
}
