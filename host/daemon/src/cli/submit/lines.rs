//! Lines of a file or of standard input, read ahead by a thread and bounded: in length, in number and in bytes.

use super::super::{Exit, Failure, input};
use futures::Stream;
use lovage_client::PAYLOAD_BYTES_MAX;
use lovage_job::unit::ByteSize;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Lines that are read and not yet taken.
const AHEAD: usize = 256;
/// What all lines together may take between reading and submission, in KiB: twice the largest payload.
const ROOM_KIB: usize = 2 * PAYLOAD_BYTES_MAX / 1024;

/// One line that is not blank.
pub(super) struct Line {
    /// From 1; blank lines count.
    pub(super) number: u64,
    /// The line without its end, or why there is none.
    pub(super) content: Result<Vec<u8>, String>,
    /// How far the source is read.
    pub(super) offset: u64,
    /// Given back with the line.
    _room: Option<OwnedSemaphorePermit>,
}

/// A source of lines and its size, where it is known.
pub(super) struct Source {
    reader: Box<dyn BufRead + Send>,
    pub(super) size: Option<u64>,
}

/// Opens a file, also written `@FILE`, or standard input.
pub(super) fn open(input: Option<&str>) -> Result<Source, Failure> {
    match input {
        None | Some("-") => Ok(Source { reader: Box::new(BufReader::new(io::stdin())), size: None }),
        Some(path) => {
            let path = path.strip_prefix('@').unwrap_or(path);
            let file = input::open(path).map_err(|failure| match path.starts_with(['{', '[', '"']) {
                true => Failure::new(Exit::Usage, "with --jsonl the input is a file or -, not JSON"),
                false => failure,
            })?;
            let size = file.metadata().ok().filter(|about| about.is_file()).map(|about| about.len());
            Ok(Source { reader: Box::new(BufReader::new(file)), size })
        }
    }
}

/// Reads lines in a thread of their own, which ends with the stream or the source. A thread and no task, since a read
/// of standard input cannot be interrupted.
pub(super) fn read(source: Source) -> impl Stream<Item = Line> + Unpin {
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    let runtime = Handle::current();
    std::thread::spawn(move || read_all(source.reader, &sender, &runtime));
    futures::stream::poll_fn(move |context| receiver.poll_recv(context))
}

fn read_all(mut reader: impl BufRead, sender: &mpsc::Sender<Line>, runtime: &Handle) {
    let room = Arc::new(Semaphore::new(ROOM_KIB));
    let (mut number, mut offset) = (0, 0);
    loop {
        number += 1;
        let content = match next(&mut reader, PAYLOAD_BYTES_MAX, &mut offset) {
            Ok(None) => return,
            Ok(Some(Ok(line))) if line.is_empty() => continue,
            Ok(Some(content)) => content,
            Err(error) => Err(error.to_string()),
        };
        let size = content.as_ref().map_or(0, Vec::len);
        let share = u32::try_from(size / 1024 + 1).unwrap_or(u32::MAX);
        let taken = runtime.block_on(Arc::clone(&room).acquire_many_owned(share)).ok();
        if sender.blocking_send(Line { number, content, offset, _room: taken }).is_err() {
            return;
        }
    }
}

/// The next line without white space around it, a reason where it is too long, or nothing at the end. Adds what was
/// read to `offset`.
fn next(reader: &mut impl BufRead, most: usize, offset: &mut u64) -> io::Result<Option<Result<Vec<u8>, String>>> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(2);
    let mut line = Vec::new();
    let read = reader.by_ref().take(limit).read_until(b'\n', &mut line)?;
    *offset = offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    if read == 0 {
        return Ok(None);
    }
    if !line.ends_with(b"\n") && line.len() > most {
        skip_line(reader, offset)?;
        return Ok(Some(Err(too_long(most))));
    }
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii();
    if line.len() > most { Ok(Some(Err(too_long(most)))) } else { Ok(Some(Ok(line.to_vec()))) }
}

fn too_long(most: usize) -> String {
    format!("longer than {}", ByteSize(u64::try_from(most).unwrap_or(u64::MAX)))
}

fn skip_line(reader: &mut impl BufRead, offset: &mut u64) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(used);
        *offset = offset.saturating_add(u64::try_from(used).unwrap_or(u64::MAX));
        if end.is_some() || used == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, most: usize) -> Vec<Result<String, String>> {
        let (mut reader, mut offset) = (io::Cursor::new(text), 0);
        let mut found = Vec::new();
        while let Some(line) = next(&mut reader, most, &mut offset).unwrap() {
            found.push(line.map(|line| String::from_utf8(line).unwrap()));
        }
        assert_eq!(offset, u64::try_from(text.len()).unwrap());
        found
    }

    #[test]
    fn lines_end_in_any_way() {
        let found = lines("\u{feff}{\"a\":1}\r\n\n  2  \n\"last\"", 100);
        assert_eq!(found, [Ok("{\"a\":1}".into()), Ok(String::new()), Ok("2".into()), Ok("\"last\"".into())]);
        assert!(lines("", 100).is_empty());
    }

    #[test]
    fn a_line_below_and_at_the_limit_is_read_and_one_above_is_skipped() {
        let told = || Err("longer than 4B".to_owned());
        assert_eq!(
            lines("123\n1234\n1234\r\n12345\n1\n", 4),
            [Ok("123".into()), Ok("1234".into()), Ok("1234".into()), told(), Ok("1".into())]
        );
        assert_eq!(lines("123456789\n1\n123456", 4), [told(), Ok("1".into()), told()]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn blank_lines_count_but_are_no_jobs() {
        use futures::StreamExt;
        let source = Source { reader: Box::new(io::Cursor::new("1\n\n \n2\n")), size: None };
        let found: Vec<_> = read(source).map(|line| (line.number, line.content, line.offset)).collect().await;
        assert_eq!(found, [(1, Ok(b"1".to_vec()), 2), (4, Ok(b"2".to_vec()), 7)]);
    }
}
