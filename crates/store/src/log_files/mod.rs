//! Logs as append-only segment files: `logs/SCOPE/GROUP/STREAM.POSITION`.
//!
//! Not fsynced: a killed process loses nothing, a power cut may lose the last seconds. Bounded by
//! [`LogBounds`]. What is known of a group (its streams, their times and sizes) is kept in memory and read
//! from the files at the group's first use.

mod file_name;
mod group;
mod handles;
mod segment;
mod stream;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tindra_core::clock::Clock;
use uuid::Uuid;

use crate::directory_lock::DirectoryLock;
use crate::open::LogBounds;
use crate::{BoxFuture, LogEvent, LogGroup, LogPosition, LogRead, LogStream, Logs, StoreError, blocking, lock};
use group::{About, Extent, Group};
use handles::Handles;
use segment::Frame;

/// Where removed groups wait for the removal of their files. Scopes are encoded without dots.
const REMOVED: &str = ".removed";
/// Message bytes after which a read ends early, so that it stays small in memory.
const READ_BYTES_MAX: usize = 1 << 20;

/// [`Logs`] in a directory.
#[derive(Clone, Debug)]
pub(crate) struct LogFiles {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    bounds: LogBounds,
    clock: Arc<dyn Clock>,
    groups: Mutex<Groups>,
    handles: Handles,
    _lock: Arc<DirectoryLock>,
}

/// Scope, then group.
type Groups = BTreeMap<String, BTreeMap<String, Arc<Mutex<Group>>>>;

impl LogFiles {
    pub(crate) fn open(
        root: &Path,
        bounds: LogBounds,
        lock: Arc<DirectoryLock>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let groups = find_groups(root)
            .map_err(|error| StoreError::storage(format!("open the logs in {}", root.display()), error))?;
        let inner = Inner {
            root: root.to_owned(),
            bounds,
            clock,
            groups: Mutex::new(groups),
            handles: Handles::default(),
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    fn on_thread<T: Send + 'static>(
        &self,
        attempt: &'static str,
        group: &str,
        work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (inner, group) = (Arc::clone(&self.inner), group.to_owned());
        Box::pin(blocking(attempt, move || {
            work(&inner).map_err(|error| StoreError::storage(format!("{attempt} of {group}"), error))
        }))
    }
}

impl Logs for LogFiles {
    fn create_group<'a>(&'a self, scope: &'a str, group: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        let (scope, name) = (scope.to_owned(), group.to_owned());
        self.on_thread("create the log group", group, move |inner| Ok(inner.create(&scope, &name)?.1))
    }

    fn append<'a>(
        &'a self,
        scope: &'a str,
        group: &'a str,
        stream: &'a str,
        events: Vec<LogEvent>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (scope, name, stream) = (scope.to_owned(), group.to_owned(), stream.to_owned());
        self.on_thread("append to the logs", group, move |inner| inner.append(&scope, &name, &stream, &events))
    }

    fn groups<'a>(&'a self, scope: &'a str) -> BoxFuture<'a, Result<Vec<LogGroup>, StoreError>> {
        let name = scope.to_owned();
        self.on_thread("list the log groups", scope, move |inner| inner.groups(&name))
    }

    fn streams<'a>(
        &'a self,
        scope: &'a str,
        group: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<LogStream>>, StoreError>> {
        let (scope, name) = (scope.to_owned(), group.to_owned());
        self.on_thread("list the log streams", group, move |inner| {
            inner.with(&scope, &name, |group| group.list(stream::Stream::listed))
        })
    }

    fn read<'a>(
        &'a self,
        scope: &'a str,
        group: &'a str,
        stream: &'a str,
        from: LogPosition,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogRead, StoreError>> {
        let (scope, name, stream) = (scope.to_owned(), group.to_owned(), stream.to_owned());
        self.on_thread("read the logs", group, move |inner| inner.read(&scope, &name, &stream, from, limit))
    }

    fn end<'a>(
        &'a self,
        scope: &'a str,
        group: &'a str,
        stream: &'a str,
    ) -> BoxFuture<'a, Result<Option<LogPosition>, StoreError>> {
        let (scope, name, stream) = (scope.to_owned(), group.to_owned(), stream.to_owned());
        self.on_thread("read the logs", group, move |inner| {
            Ok(inner.with(&scope, &name, |group| group.end(&stream))?.flatten())
        })
    }

    fn expire<'a>(
        &'a self,
        scope: &'a str,
        group: &'a str,
        before_ms: tindra_core::clock::UnixMs,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (scope, name) = (scope.to_owned(), group.to_owned());
        self.on_thread("expire the logs", group, move |inner| {
            inner.with(&scope, &name, |group| group.expire(before_ms, &inner.handles)).map(|_| ())
        })
    }

    fn delete_stream<'a>(
        &'a self,
        scope: &'a str,
        group: &'a str,
        stream: &'a str,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let (scope, name, stream) = (scope.to_owned(), group.to_owned(), stream.to_owned());
        self.on_thread("delete the logs", group, move |inner| {
            let deleted = inner.with(&scope, &name, |group| group.delete_stream(&stream, &inner.handles))?;
            Ok(deleted.unwrap_or(false))
        })
    }

    fn delete_group<'a>(&'a self, scope: &'a str, group: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        let (scope, name) = (scope.to_owned(), group.to_owned());
        self.on_thread("delete the logs", group, move |inner| inner.delete(&scope, &name))
    }
}

impl Inner {
    fn find(&self, scope: &str, name: &str) -> Option<Arc<Mutex<Group>>> {
        lock(&self.groups).get(scope)?.get(name).cloned()
    }

    /// Works on a group that is there; `None` when it is not.
    fn with<T>(
        &self,
        scope: &str,
        name: &str,
        work: impl FnOnce(&mut Group) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        let Some(group) = self.find(scope, name) else { return Ok(None) };
        let mut group = lock(&group);
        if group.gone { Ok(None) } else { work(&mut group).map(Some) }
    }

    /// The group, and whether it is new.
    fn create(&self, scope: &str, name: &str) -> io::Result<(Arc<Mutex<Group>>, bool)> {
        if let Some(group) = self.find(scope, name) {
            return Ok((group, false));
        }
        let mut groups = lock(&self.groups);
        let of_scope = groups.entry(scope.to_owned()).or_default();
        if let Some(group) = of_scope.get(name) {
            return Ok((Arc::clone(group), false));
        }
        let directory = self.root.join(file_name::encode(scope)).join(file_name::encode(name));
        let about = About { scope: scope.to_owned(), name: name.to_owned(), created_ms: self.clock.unix_ms() };
        let group = Arc::new(Mutex::new(Group::create(directory, about)?));
        of_scope.insert(name.to_owned(), Arc::clone(&group));
        Ok((group, true))
    }

    fn append(&self, scope: &str, name: &str, stream: &str, events: &[LogEvent]) -> io::Result<()> {
        loop {
            let (group, _) = self.create(scope, name)?;
            let mut group = lock(&group);
            if !group.gone {
                return group.append(stream, events, self.clock.unix_ms(), &self.bounds, &self.handles);
            }
        }
    }

    fn groups(&self, scope: &str) -> io::Result<Vec<LogGroup>> {
        let groups: Vec<_> = lock(&self.groups).get(scope).into_iter().flat_map(BTreeMap::values).cloned().collect();
        let mut listed = Vec::with_capacity(groups.len());
        for group in groups {
            let mut group = lock(&group);
            if !group.gone {
                listed.push(group.listed()?);
            }
        }
        Ok(listed)
    }

    fn delete(&self, scope: &str, name: &str) -> io::Result<bool> {
        let Some(group) = self.find(scope, name) else { return Ok(false) };
        let mut group = lock(&group);
        if group.gone {
            return Ok(false);
        }
        let removed = self.root.join(REMOVED).join(Uuid::new_v4().simple().to_string());
        fs::create_dir_all(self.root.join(REMOVED))?;
        fs::rename(&group.directory, &removed)?;
        group.gone = true;
        self.handles.forget_under(&group.directory);
        if let Some(of_scope) = lock(&self.groups).get_mut(scope) {
            of_scope.remove(name);
        }
        fs::remove_dir_all(removed)?;
        Ok(true)
    }

    fn read(&self, scope: &str, name: &str, stream: &str, from: LogPosition, limit: usize) -> io::Result<LogRead> {
        loop {
            let extents = self.with(scope, name, |group| {
                Ok(group
                    .extents(stream, from)?
                    .map(|extents| (extents, group.end(stream).ok().flatten().unwrap_or(from))))
            })?;
            let Some((extents, end)) = extents.flatten() else { return Ok(None) };
            match read_extents(&extents, from, limit) {
                // Trimmed between the look and the read: look again.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Ok(None) => return Ok(Some((from.min(end), Vec::new()))),
                other => return other,
            }
        }
    }
}

/// Events from the first extent that has any, and further as long as the positions follow each other.
fn read_extents(extents: &[Extent], from: u64, limit: usize) -> io::Result<LogRead> {
    let (mut first, mut events, mut bytes): (Option<u64>, Vec<LogEvent>, usize) = (None, Vec::new(), 0);
    for Extent { path, segment } in extents {
        let start = from.max(segment.base);
        let follows = first.is_none_or(|first| first + events.len() as u64 == start);
        if !follows || events.len() >= limit || bytes >= READ_BYTES_MAX {
            break;
        }
        let mut content = Vec::new();
        fs::File::open(path)?.take(segment.file_bytes).read_to_end(&mut content)?;
        let mut position = segment.base;
        segment::visit(&content, |frame| {
            let Frame::Event { timestamp_ms, ingestion_ms, message } = frame else { return ControlFlow::Continue(()) };
            if position >= start {
                first.get_or_insert(position);
                bytes += message.len();
                let message = String::from_utf8_lossy(message).into_owned();
                events.push(LogEvent { timestamp_ms, ingestion_ms, message });
            }
            position += 1;
            if events.len() >= limit || bytes >= READ_BYTES_MAX {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
    }
    Ok(first.map(|first| (first, events)))
}

/// Every group there is, and nothing that was being removed.
fn find_groups(root: &Path) -> io::Result<Groups> {
    match fs::remove_dir_all(root.join(REMOVED)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(root)?,
    }
    let mut groups = Groups::new();
    for scope in fs::read_dir(root)? {
        for directory in fs::read_dir(scope?.path())? {
            let directory = directory?.path();
            let Some(group) = Group::open(directory.clone()) else {
                tracing::warn!(path = %directory.display(), "left a directory alone that is no log group");
                continue;
            };
            let About { scope, name, .. } = group.about.clone();
            groups.entry(scope).or_default().insert(name, Arc::new(Mutex::new(group)));
        }
    }
    Ok(groups)
}
