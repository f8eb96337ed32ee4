//! Standard output, standard error and what else takes lines, without the buffers of the standard library: what a write says
//! is what happened.
//!
//! Assumes: whoever writes here has a thread for it. A descriptor that was set to be non-blocking, by whoever shares it, is
//! waited for.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;

use rustix::event::{PollFd, PollFlags, poll};

/// What a pipe takes in one piece or not at all (pipe(7)): nothing that others write to it comes between.
const PIPE_PIECE_BYTES: usize = 4096;

/// One of them.
#[derive(Debug)]
pub struct Standard {
    file: File,
    is_pipe: bool,
}

impl Standard {
    /// Standard output.
    ///
    /// # Errors
    /// Descriptors have run out.
    pub fn output() -> io::Result<Standard> {
        Standard::duplicate(io::stdout().as_fd())
    }

    /// Standard error.
    ///
    /// # Errors
    /// Descriptors have run out.
    pub fn error() -> io::Result<Standard> {
        Standard::duplicate(io::stderr().as_fd())
    }

    fn duplicate(descriptor: BorrowedFd<'_>) -> io::Result<Standard> {
        Ok(Standard::of(File::from(descriptor.try_clone_to_owned()?)))
    }

    /// A file that is written to in the same way.
    pub(crate) fn of(file: File) -> Standard {
        let is_pipe = file.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo());
        Standard { file, is_pipe }
    }
}

impl Write for Standard {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let piece = if self.is_pipe { piece(text) } else { text };
        loop {
            match self.file.write(piece) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], None)?;
                }
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As many lines as a pipe takes in one piece, or one that is longer.
fn piece(text: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| *byte == b'\n';
    let fitting = &text[..text.len().min(PIPE_PIECE_BYTES)];
    let end = fitting.iter().rposition(is_end).or_else(|| text.iter().position(is_end));
    end.map_or(text, |end| &text[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_whole_lines_in_pieces_that_it_takes_whole() {
        assert_eq!(piece(b"one\ntwo\n"), b"one\ntwo\n");
        assert_eq!(piece(b"one\nno end"), b"one\n");
        assert_eq!(piece(b"no end"), b"no end");
        let long = [vec![b'a'; PIPE_PIECE_BYTES], b"\nb\n".to_vec()].concat();
        assert_eq!(piece(&long).len(), PIPE_PIECE_BYTES + 1);
        let lines = b"a line\n".repeat(PIPE_PIECE_BYTES);
        assert_eq!(piece(&lines).len(), PIPE_PIECE_BYTES / 7 * 7);
    }
}
