//! Files with secrets in them.

use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Writes a file in one step: whoever reads it meanwhile sees the old or the new one. A new file is its owner's alone; one
/// that was there keeps who may read it, such as the server's group.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "is not a file's name"))?;
    let mode = std::fs::metadata(path).map_or(0o600, |known| known.permissions().mode() & 0o666);
    let mut beside = name.to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(beside);
    let written = write_new(&beside, mode, bytes).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // the first error is the one to tell
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_private_and_an_old_one_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        write_private(&path, b"1").unwrap();
        assert_eq!((mode(), std::fs::read(&path).unwrap()), (0o600, b"1".to_vec()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        write_private(&path, b"2").unwrap();
        assert_eq!((mode(), std::fs::read(&path).unwrap()), (0o640, b"2".to_vec()));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        write_private(&dir.path().join("no/such/folder"), b"3").unwrap_err();
    }
}
