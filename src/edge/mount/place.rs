//! Mount points: made where there is none, never through a link.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The first of these that is a directory or can be made one.
///
/// A new one stays: rmdir(2) takes down what others mounted on it in their namespaces meanwhile.
pub(super) fn first<P: AsRef<Path>>(places: &[P]) -> io::Result<PathBuf> {
    let mut result = Err(io::ErrorKind::NotFound.into());
    for place in places {
        result = directory(place.as_ref());
        if result.is_ok() {
            return Ok(place.as_ref().to_path_buf());
        }
    }
    result.map(|()| PathBuf::new())
}

/// Makes sure that `place` is a directory and no link to one.
fn directory(place: &Path) -> io::Result<()> {
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(place) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ if fs::symlink_metadata(place)?.is_dir() => Ok(()),
        _ => Err(io::ErrorKind::NotADirectory.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn the_first_usable_mount_point_is_taken() {
        let root = TempDir::new().unwrap();
        let (link, file) = (root.path().join("link"), root.path().join("file"));
        symlink(root.path(), &link).unwrap();
        fs::write(&file, b"").unwrap();
        let below_file = file.join("mnt");
        let spare = root.path().join("run/keydisk");
        let places: [&Path; 4] = [&link, &file, &below_file, &spare];
        assert_eq!(first(&places).unwrap(), spare);
        let mode = fs::metadata(&spare).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(first(&[&spare]).unwrap(), spare, "one that is there already");
    }

    #[test]
    fn without_a_mount_point_there_is_an_error() {
        let root = TempDir::new().unwrap();
        let file = root.path().join("file");
        fs::write(&file, b"").unwrap();
        assert_eq!(first(&[&file]).unwrap_err().kind(), io::ErrorKind::NotADirectory);
        assert_eq!(first::<&Path>(&[]).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
