//! Sandboxes on this machine: a directory a session, with the skills of its user below `.claude/skills`.
//!
//! Knows files; does not know where skills come from. Skills are put into a fresh directory, which then takes the place of
//! the one before: whoever looks sees all of the old or all of the new.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use agentmesh_core::services::user_data::Name;

use super::config::Environment;

/// Where the agent finds skills, and where documents say they are.
const SKILLS: &str = ".claude/skills";
/// Says that a directory is for sandboxes, and may be emptied. No session has such a name.
const MARKER: &str = ".agentmesh-sandboxes";

/// How skills came into a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Copied, in development.
    Loaded,
    /// A view of them is there, which cannot be written.
    Mounted,
    /// Copied, because the view could not be made.
    LoadedInstead,
}

impl Method {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "r2_load_dev",
            Self::Mounted => "r2_mount",
            Self::LoadedInstead => "r2_load_fallback",
        }
    }
}

/// The directory of all sandboxes.
#[derive(Debug)]
pub(super) struct Sandboxes {
    root: PathBuf,
}

impl Sandboxes {
    /// Takes the directory and removes what an earlier process left in it. Refuses one with something else in it.
    pub(super) fn open(root: PathBuf) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(&root)?;
        let root = fs::canonicalize(root)?;
        let marker = root.join(MARKER);
        if !marker.exists() {
            if fs::read_dir(&root)?.next().is_some() {
                return Err(io::Error::other(
                    "it is not empty, and was never a directory of sandboxes",
                ));
            }
            fs::write(marker, "What is beside this file is removed when the server starts.\n")?;
        }
        let sandboxes = Self { root };
        sandboxes.clear()?;
        Ok(sandboxes)
    }

    /// Removes all sandboxes.
    pub(super) fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_name() != MARKER {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes the directory, too.
    pub(super) fn remove_all(&self) -> io::Result<()> {
        remove(&self.root)
    }

    /// Begins a sandbox's skills, in a directory that nobody looks into yet.
    pub(super) fn stage(&self, session: &Name, nested: bool) -> io::Result<Stage> {
        let claude = self.root.join(session.as_str()).join(".claude");
        fs::create_dir_all(&claude)?;
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(|error| io::Error::other(error.to_string()))?;
        let dir = claude.join(format!(".skills-{:016x}", u64::from_be_bytes(number)));
        fs::create_dir(&dir)?;
        Ok(Stage {
            skills: self.root.join(session.as_str()).join(SKILLS),
            dir,
            nested,
            done: false,
        })
    }

    /// Removes a sandbox. That there is none is no error.
    pub(super) fn remove(&self, session: &Name) -> io::Result<()> {
        remove(&self.root.join(session.as_str()))
    }
}

/// Skills on their way into a sandbox. Dropped before its end, nothing of it remains.
pub(super) struct Stage {
    skills: PathBuf,
    dir: PathBuf,
    nested: bool,
    done: bool,
}

impl Stage {
    /// Puts a skill into it.
    pub(super) fn add(&self, name: &Name, content: &str) -> io::Result<()> {
        let mut path = self.dir.join(name.as_str());
        if self.nested {
            fs::create_dir(&path)?;
            path.push("SKILL.md");
        }
        fs::write(path, content)
    }

    /// Makes the skills those of the sandbox.
    pub(super) fn finish(mut self, environment: Environment) -> io::Result<Method> {
        let method = match environment {
            Environment::Production => match self.mount() {
                Ok(()) => Method::Mounted,
                Err(error) => {
                    tracing::warn!(%error, "user data: skills are copied, a view was not made");
                    self.load()?;
                    Method::LoadedInstead
                }
            },
            Environment::Development => {
                self.load()?;
                Method::Loaded
            }
        };
        self.done = true;
        Ok(method)
    }

    /// The staged directory, write-protected, seen through a link that is replaced at once. Fails where there is a real
    /// directory already, or where links cannot be made.
    fn mount(&self) -> io::Result<()> {
        let name = self.dir.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let before = fs::read_link(&self.skills).ok();
        let link = self.dir.with_extension("link");
        let linked = protect(&self.dir, true)
            .and_then(|()| symlink(Path::new(name), &link))
            .and_then(|()| fs::rename(&link, &self.skills));
        if let Err(error) = linked {
            let _ = fs::remove_file(&link);
            protect(&self.dir, false)?;
            return Err(error);
        }
        match before.and_then(|name| Some(self.skills.parent()?.join(name))) {
            Some(before) => remove(&before),
            None => Ok(()),
        }
    }

    fn load(&self) -> io::Result<()> {
        let before = self.dir.with_extension("before");
        let target = fs::read_link(&self.skills).ok();
        match fs::rename(&self.skills, &before) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        fs::rename(&self.dir, &self.skills)?;
        if let Some(view) = target.and_then(|name| Some(self.skills.parent()?.join(name))) {
            remove(&view)?;
        }
        remove(&before)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.done {
            let _ = remove(&self.dir);
        }
    }
}

/// Sets or lifts the write protection of a directory and of what is in it.
fn protect(dir: &Path, on: bool) -> io::Result<()> {
    if !on {
        set(dir, on)?;
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if fs::symlink_metadata(&path)?.is_dir() {
            protect(&path, on)?;
        } else {
            set(&path, on)?;
        }
    }
    if on { set(dir, on) } else { Ok(()) }
}

fn set(path: &Path, read_only: bool) -> io::Result<()> {
    let mut permissions = fs::symlink_metadata(path)?.permissions();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let writing = 0o222;
        let mode = permissions.mode();
        permissions.set_mode(if read_only { mode & !writing } else { mode | 0o200 });
    }
    #[cfg(not(unix))]
    permissions.set_readonly(read_only);
    fs::set_permissions(path, permissions)
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Removes whatever is there, also if it is write-protected. Links are removed, not what they lead to.
fn remove(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.is_dir() {
        return fs::remove_file(path);
    }
    set(path, false)?;
    for entry in fs::read_dir(path)? {
        remove(&entry?.path())?;
    }
    fs::remove_dir(path)
}

#[cfg(test)]
mod tests {
    use agentmesh_core::services::user_data::NameKind;

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(NameKind::Session, text).unwrap()
    }

    fn put(sandboxes: &Sandboxes, environment: Environment, skills: &[&str]) -> Method {
        let stage = sandboxes.stage(&name("s"), false).unwrap();
        for skill in skills {
            stage.add(&name(skill), skill).unwrap();
        }
        stage.finish(environment).unwrap()
    }

    fn found(root: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(root.join("s").join(SKILLS))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn skills_replace_those_before_in_every_order_of_ways() {
        use Environment::{Development as D, Production as P};
        let dir = tempfile::tempdir().unwrap();
        let sandboxes = Sandboxes::open(dir.path().to_owned()).unwrap();
        assert_eq!(put(&sandboxes, P, &["a", "b"]), Method::Mounted);
        assert_eq!(found(dir.path()), ["a", "b"]);
        assert_eq!(put(&sandboxes, P, &["b", "c"]), Method::Mounted);
        assert_eq!(found(dir.path()), ["b", "c"]);
        assert_eq!(put(&sandboxes, D, &["d"]), Method::Loaded);
        assert_eq!(found(dir.path()), ["d"]);
        assert_eq!(put(&sandboxes, P, &["e"]), Method::LoadedInstead);
        assert_eq!(found(dir.path()), ["e"]);
        let left: Vec<_> = fs::read_dir(dir.path().join("s/.claude")).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
        sandboxes.remove(&name("s")).unwrap();
        sandboxes.remove(&name("s")).unwrap();
        assert!(!dir.path().join("s").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_view_is_write_protected() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let sandboxes = Sandboxes::open(dir.path().to_owned()).unwrap();
        put(&sandboxes, Environment::Production, &["a"]);
        let skills = dir.path().join("s").join(SKILLS);
        for path in [skills.clone(), skills.join("a")] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o222, 0);
        }
    }

    #[test]
    fn what_was_not_finished_leaves_nothing_and_a_new_process_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let sandboxes = Sandboxes::open(dir.path().to_owned()).unwrap();
        drop(sandboxes.stage(&name("s"), true).unwrap());
        assert_eq!(fs::read_dir(dir.path().join("s/.claude")).unwrap().count(), 0);
        put(&sandboxes, Environment::Production, &["a"]);
        Sandboxes::open(dir.path().to_owned()).unwrap();
        assert!(!dir.path().join("s").exists());
    }

    #[test]
    fn a_directory_with_something_else_in_it_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letter"), "dear").unwrap();
        assert!(Sandboxes::open(dir.path().to_owned()).is_err());
        assert!(dir.path().join("letter").exists());
    }
}
