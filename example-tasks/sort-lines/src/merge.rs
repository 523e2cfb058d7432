//! Merges sorted files into one output, a line of each in memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;

/// Writes the lines of all files in order.
pub fn merged(files: &[PathBuf], output: &mut dyn Write) -> io::Result<()> {
    let mut readers = files.iter().map(|path| File::open(path).map(BufReader::new)).collect::<io::Result<Vec<_>>>()?;
    let mut first = BinaryHeap::new();
    for (number, reader) in readers.iter_mut().enumerate() {
        first.extend(next(reader)?.map(|line| Reverse((line, number))));
    }
    while let Some(Reverse((line, number))) = first.pop() {
        output.write_all(&line)?;
        if let Some(reader) = readers.get_mut(number) {
            first.extend(next(reader)?.map(|line| Reverse((line, number))));
        }
    }
    Ok(())
}

/// The next line with its end.
fn next(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    Ok((reader.read_until(b'\n', &mut line)? > 0).then_some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_in_order_whatever_the_size_of_a_run() {
        let folder = std::env::temp_dir().join(format!("sort-lines-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for run_bytes in [1, 7, 1 << 20] {
            let files = crate::runs::written(&mut &b"pear\napple\n\nfig\napple"[..], &folder, run_bytes).unwrap();
            let mut output = Vec::new();
            merged(&files, &mut output).unwrap();
            assert_eq!(output, b"\napple\napple\nfig\npear\n");
            files.iter().for_each(|file| std::fs::remove_file(file).unwrap());
        }
        std::fs::remove_dir(&folder).unwrap();
    }
}
