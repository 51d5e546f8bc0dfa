//! Files and links for the output directory, as values, and their way to the disk.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// One thing to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFile {
    /// Relative to the output directory.
    pub path: PathBuf,
    /// What is there.
    pub content: Content,
}

/// A drop-in or a dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A symbolic link to this path. systemd reads the dependency from the link's own name and
    /// directory, so the link works wherever the template is installed.
    Link(PathBuf),
    /// A file with this text.
    Text(String),
}

impl UnitFile {
    /// A link `directory/name` to the unit file `target`.
    pub fn link(directory: &str, name: &str, target: &str) -> Self {
        let path = Path::new(directory).join(name);
        Self { path, content: Content::Link(PathBuf::from(target)) }
    }

    /// A file `directory/name`.
    pub fn text(directory: &str, name: &str, text: String) -> Self {
        Self { path: Path::new(directory).join(name), content: Content::Text(text) }
    }

    /// Writes it below `directory`; errors are those of the system calls.
    ///
    /// systemd empties the output directory before each run, so something already there is another
    /// generator's: a drop-in is not overwritten, an equal link is fine.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        let path = directory.join(&self.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        match &self.content {
            Content::Link(target) => match symlink(target, &path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                result => result,
            },
            Content::Text(text) => {
                let mut file = fs::File::create_new(&path)?;
                io::Write::write_all(&mut file, text.as_bytes())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_links_are_written_once() {
        let directory = tempfile::tempdir().unwrap();
        let link = UnitFile::link("a.target.wants", "b@x.service", "/usr/lib/b@.service");
        let text = UnitFile::text("b@x.service.d", "50-x.conf", "[Unit]\n".to_owned());
        link.write(directory.path()).unwrap();
        link.write(directory.path()).unwrap();
        text.write(directory.path()).unwrap();
        let target = fs::read_link(directory.path().join("a.target.wants/b@x.service")).unwrap();
        assert_eq!(target, Path::new("/usr/lib/b@.service"));
        let refused = text.write(directory.path()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    }
}
