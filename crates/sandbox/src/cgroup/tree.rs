//! Where sandboxes' control groups live on this machine: found once at start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cgroup::{Controller, Controllers, Group, Member, Version};
use crate::error::{Failure, Named, Step};
use crate::layers::{self, Layer};
use crate::spec::Limits;

/// Controllers that limit something.
const LIMITING: [(Controller, &str); 3] =
    [(Controller::Memory, "memory"), (Controller::Processes, "pids"), (Controller::Cpu, "cpu")];

/// The directories below which each sandbox gets its own.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    hierarchies: Vec<Hierarchy>,
}

#[derive(Debug)]
struct Hierarchy {
    parent: PathBuf,
    version: Version,
    controllers: Controllers,
}

/// One mounted hierarchy, with the directories under which we may try to make ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mounted {
    version: Version,
    controllers: Controllers,
    /// The group that this process is in, then the top of the mount.
    candidates: Vec<PathBuf>,
}

impl Tree {
    /// Finds the hierarchies and makes a directory called `name` in each that allows it.
    pub(crate) fn open(name: &str) -> Tree {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Tree::in_mounts(&mounted(&mounts, &groups), name)
    }

    /// As [`Tree::open`], on hierarchies already found.
    pub(crate) fn in_mounts(mounts: &[Mounted], name: &str) -> Tree {
        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        // v2 first: what it offers is not asked of v1 again.
        for version in [Version::V2, Version::V1] {
            for mount in mounts.iter().filter(|mount| mount.version == version) {
                let taken = hierarchies.iter().fold(Controllers::default(), |all, one| all.and(one.controllers));
                let wanted = mount.controllers.without(taken);
                let has_core = taken.has(Controller::Core);
                let wanted = if has_core { wanted.without(Controllers(Controller::Freezer as u8)) } else { wanted };
                if !wanted.is_empty() {
                    hierarchies.extend(Hierarchy::open(mount, wanted, name));
                }
            }
        }
        Tree { hierarchies }
    }

    /// The directories that hold the sandboxes' groups; the sweep of a later start looks there.
    pub(crate) fn parents(&self) -> impl Iterator<Item = &Path> {
        self.hierarchies.iter().map(|hierarchy| hierarchy.parent.as_path())
    }

    /// The directories of the group called `leaf`.
    pub(crate) fn leaf_paths(&self, leaf: &str) -> Vec<PathBuf> {
        self.hierarchies.iter().map(|hierarchy| hierarchy.parent.join(leaf)).collect()
    }

    /// Makes the group called `leaf` and sets its limits.
    pub(crate) fn make(&self, leaf: &str, limits: &Limits) -> Result<Group, Failure> {
        let mut group = Group::default();
        for hierarchy in &self.hierarchies {
            let path = hierarchy.parent.join(leaf);
            fs::create_dir(&path).step_on(Step::CgroupMake, &path)?;
            group.members.push(Member {
                version: hierarchy.version,
                controllers: hierarchy.controllers,
                directory: path,
            });
        }
        group.limit(limits).step(Step::CgroupLimit)?;
        Ok(group)
    }

    fn find(&self, controller: Controller) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|hierarchy| hierarchy.controllers.has(controller))
    }

    /// Which limits hold.
    pub(crate) fn layers(&self) -> Vec<Layer> {
        let limit = |name, controller, lost: &str| match self.find(controller) {
            Some(hierarchy) => Layer::holds(name, format!("cgroup {}", hierarchy.parent.display())),
            None => Layer::missing(name, format!("{lost}: no cgroup that this user may write; {DELEGATE}")),
        };
        let freeze = match self.find(Controller::Core).or_else(|| self.find(Controller::Freezer)) {
            Some(hierarchy) => Layer::holds(layers::FREEZE, format!("cgroup {}", hierarchy.parent.display())),
            None => Layer::missing(
                layers::FREEZE,
                format!("idle sandboxes keep running; killing works through the pid namespace alone; {DELEGATE}"),
            ),
        };
        vec![
            limit(layers::MEMORY, Controller::Memory, "memory is not limited"),
            limit(layers::PROCESSES, Controller::Processes, "processes are not limited"),
            limit(layers::CPU, Controller::Cpu, "CPU is not limited"),
            freeze,
        ]
    }
}

/// What one thread weighs that is in no group, in `cpu.shares` and in `cpu.weight`.
const V1_WEIGHT: usize = 1_024;
const V2_WEIGHT: usize = 100;
const V2_WEIGHT_MAX: usize = 10_000;

const DELEGATE: &str = "run as root, or as a systemd service with Delegate=yes";

impl Hierarchy {
    fn open(mount: &Mounted, wanted: Controllers, name: &str) -> Option<Hierarchy> {
        let mut best: Option<Hierarchy> = None;
        for candidate in &mount.candidates {
            let parent = candidate.join(name);
            if make_directory(&parent).is_err() || !may_use(&parent) {
                continue;
            }
            let controllers = match mount.version {
                Version::V1 => wanted,
                Version::V2 => enable(candidate, &parent, name).with(Controller::Core),
            };
            // An equal place further up is no reason to leave this process's own group.
            if best.as_ref().is_some_and(|found| found.controllers.count() >= controllers.count()) {
                let _ = fs::remove_dir(&parent);
                continue;
            }
            if let Some(worse) = best.replace(Hierarchy { parent, version: mount.version, controllers }) {
                let _ = fs::remove_dir(worse.parent);
            }
        }
        best.inspect(Hierarchy::weigh)
    }

    /// All sandboxes together weigh as much as a thread for each processor, not as a single one: else they would wait for
    /// tens of milliseconds wherever the server or anybody else is busy. Where that cannot be set, they wait.
    fn weigh(&self) {
        if !self.controllers.has(Controller::Cpu) {
            return;
        }
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let _ = match self.version {
            Version::V1 => fs::write(self.parent.join("cpu.shares"), (V1_WEIGHT * processors).to_string()),
            Version::V2 => {
                fs::write(self.parent.join("cpu.weight"), (V2_WEIGHT * processors).min(V2_WEIGHT_MAX).to_string())
            }
        };
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn may_use(parent: &Path) -> bool {
    rustix::fs::access(parent, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Hands the limiting controllers of a v2 directory down to `parent` and further to its children.
fn enable(above: &Path, parent: &Path, name: &str) -> Controllers {
    let offered = fs::read_to_string(above.join("cgroup.controllers")).unwrap_or_default();
    let wanted = LIMITING.iter().filter(|(_, word)| offered.split_whitespace().any(|offer| offer == *word));
    let mut enabled = Controllers::default();
    for (controller, word) in wanted {
        if hand_down(above, word, name).is_ok() && hand_down(parent, word, name).is_ok() {
            enabled = enabled.with(*controller);
        }
    }
    enabled
}

fn hand_down(directory: &Path, word: &str, name: &str) -> io::Result<()> {
    let file = directory.join("cgroup.subtree_control");
    let has_it = fs::read_to_string(&file)?.split_whitespace().any(|enabled| enabled == word);
    if has_it {
        return Ok(());
    }
    match fs::write(&file, format!("+{word}")) {
        // A group with processes cannot hand controllers down; if they are all ours, they make room.
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            make_room(directory, name)?;
            fs::write(&file, format!("+{word}"))
        }
        other => other,
    }
}

/// Moves this process and the server into a child group, when nobody else is in the directory.
fn make_room(directory: &Path, name: &str) -> io::Result<()> {
    let ours = [Some(rustix::process::getpid()), rustix::process::getppid()];
    let ours: Vec<i32> = ours.into_iter().flatten().map(|pid| pid.as_raw_nonzero().get()).collect();
    let present = fs::read_to_string(directory.join("cgroup.procs"))?;
    let present: Vec<i32> = present.lines().filter_map(|line| line.parse().ok()).collect();
    if !present.iter().all(|pid| ours.contains(pid)) {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    let server = directory.join(format!("{name}-server"));
    make_directory(&server)?;
    present.iter().try_for_each(|pid| fs::write(server.join("cgroup.procs"), pid.to_string()))
}

/// Reads the hierarchies out of `/proc/self/mountinfo` and this process's place in them out of `/proc/self/cgroup`.
pub(crate) fn mounted(mountinfo: &str, own_groups: &str) -> Vec<Mounted> {
    mountinfo.lines().filter_map(|line| mounted_line(line, own_groups)).collect()
}

fn mounted_line(line: &str, own_groups: &str) -> Option<Mounted> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(3);
    let (root, mount_point) = (fields.next()?, PathBuf::from(unescape(fields.next()?)));
    let mut after = after.split(' ');
    let (kind, _, options) = (after.next()?, after.next()?, after.next()?);
    let (version, controllers, own) = match kind {
        "cgroup2" => (Version::V2, Controllers::default().with(Controller::Core), own_path(own_groups, "")),
        "cgroup" => {
            let words: Vec<&str> = options.split(',').collect();
            let (controllers, key) = v1_controllers(&words)?;
            (Version::V1, controllers, own_path(own_groups, key))
        }
        _ => return None,
    };
    let mut candidates = Vec::new();
    let relative = own.and_then(|own| Path::new(own).strip_prefix(root).ok().map(Path::to_path_buf));
    if let Some(relative) = relative.filter(|relative| !relative.as_os_str().is_empty()) {
        candidates.push(mount_point.join(relative));
    }
    candidates.push(mount_point);
    Some(Mounted { version, controllers, candidates })
}

fn v1_controllers<'a>(options: &[&'a str]) -> Option<(Controllers, &'a str)> {
    let known = LIMITING.iter().copied().chain([(Controller::Freezer, "freezer")]);
    let mut found = Controllers::default();
    let mut key = None;
    for (controller, word) in known {
        if let Some(option) = options.iter().find(|option| **option == word) {
            found = found.with(controller);
            key = Some(*option);
        }
    }
    key.map(|key| (found, key))
}

/// This process's group in the hierarchy that has `controller`; the v2 line has none.
fn own_path<'a>(own_groups: &'a str, controller: &str) -> Option<&'a str> {
    own_groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        controllers.split(',').any(|one| one == controller).then_some(path)
    })
}

/// Undoes mountinfo's octal escapes of blanks.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

#[cfg(test)]
mod tests;
