//! The texts that a configuration is read from, laid end to end.
//!
//! A place is a range of positions that count through all of them, as in rustc: whoever has a range knows in which file
//! it is, and those who read values need not know that there is more than one file.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use super::codes::Mistake;
use super::diagnostic::Problem;
use super::files::Files;

/// Bytes of a configuration, all its files together: a hundred thousand routes of a few hundred bytes fit. More is another
/// kind of file, or one without an end.
pub(super) const BYTES: u64 = 64 * 1024 * 1024;

/// Where something stands: positions in all texts.
pub(super) type Place = Range<usize>;

/// A range of one text that begins at `start`, among all texts.
pub(super) fn moved(range: Range<usize>, start: usize) -> Place {
    range.start + start..range.end + start
}

/// What has been read so far.
#[derive(Debug, Default)]
pub(super) struct Sources {
    texts: Vec<Source>,
    /// Files that were read or could not be.
    files: Files,
}

/// A text.
#[derive(Debug)]
pub(super) struct Source {
    /// What messages call it.
    pub(super) name: String,
    pub(super) text: String,
    /// The position of its first byte.
    pub(super) start: usize,
}

impl Sources {
    /// Adds a text, behind all others. Returns the number it has among them.
    pub(super) fn add(&mut self, name: &str, text: &str) -> usize {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text); // some editors begin a file with a byte order mark
        let start = self.end();
        self.texts.push(Source { name: name.to_owned(), text: text.to_owned(), start });
        self.texts.len() - 1
    }

    /// Reads a file and adds it; `at` is where it is named, if a text does. Returns the number it has among all texts.
    ///
    /// # Errors
    /// It cannot be read, is not text, or all together is too much.
    pub(super) fn read(&mut self, path: &Path, at: Option<Place>) -> Result<usize, Problem> {
        let name = path.display().to_string();
        self.files.add(path);
        let most = BYTES.saturating_sub(self.end() as u64);
        let bytes = read(path, most, &mut self.files).map_err(|error| {
            let title = format!("cannot read `{name}`: {error}");
            match &at {
                Some(at) => Problem::at(Mistake::UnreadableFile, at.clone(), title)
                    .help(what_to_do_about_included(&error)),
                None => Problem::of_file(Mistake::UnreadableFile, title).help(what_to_do(&error)),
            }
        })?;
        let text = std::str::from_utf8(&bytes);
        let text = text.map_err(|error| self.not_text(&name, &bytes, error.valid_up_to()))?;
        Ok(self.add(&name, text))
    }

    fn not_text(&mut self, name: &str, bytes: &[u8], at: usize) -> Problem {
        let start = self.end();
        self.add(name, &String::from_utf8_lossy(bytes)); // the same as the file up to `at`
        Problem::at(Mistake::NotUtf8, start + at..start + at + 1, "the file is not text in UTF-8")
            .label("from here on")
            .help("save it in UTF-8; every TOML file is")
    }

    /// A text by its number.
    pub(super) fn text(&self, number: usize) -> &Source {
        &self.texts[number]
    }

    /// The text that a place is in; the first one if there is none.
    pub(super) fn of(&self, place: &Place) -> Option<&Source> {
        let behind = self.texts.partition_point(|source| source.start <= place.start);
        self.texts.get(behind.saturating_sub(1))
    }

    /// As [`Files::pass_over`].
    pub(super) fn pass_over(&mut self, path: &Path) {
        self.files.pass_over(path);
    }

    /// As [`Files::add_pattern`].
    pub(super) fn add_pattern(&mut self, pattern: &str) {
        self.files.add_pattern(pattern);
    }

    /// Files that were read or could not be.
    /// Where files are noted that are read beside the texts.
    pub(super) fn files_mut(&mut self) -> &mut Files {
        &mut self.files
    }

    pub(super) fn into_files(self) -> Files {
        self.files
    }

    /// The position of the next text: one behind the last, so that the end of a text is a place in it.
    fn end(&self) -> usize {
        self.texts.last().map_or(0, |last| last.start + last.text.len() + 1)
    }
}

impl Source {
    /// What stands at a place of it.
    pub(super) fn at(&self, place: &Place) -> &str {
        let local = place.start.saturating_sub(self.start)..place.end.saturating_sub(self.start);
        self.text.get(local).unwrap_or_default()
    }

    /// The line that a place begins in.
    pub(super) fn line(&self, place: &Place) -> &str {
        let start = place.start.saturating_sub(self.start).min(self.text.len());
        self.text.get(self.lines(&(start..start))).unwrap_or_default()
    }

    /// The whole lines that a range of the text itself touches, without the end of the last one.
    pub(super) fn lines(&self, range: &Range<usize>) -> Range<usize> {
        let bytes = self.text.as_bytes();
        let is_end = |byte: &u8| *byte == b'\n';
        let start = bytes[..range.start].iter().rposition(is_end).map_or(0, |end| end + 1);
        let end = bytes[range.end..].iter().position(is_end).map_or(bytes.len(), |end| range.end + end);
        start..end
    }

    /// Where in a place a part of its text stands; the place itself if that is written otherwise, with an escape.
    pub(super) fn part(&self, place: &Place, part: &str) -> Place {
        match self.at(place).find(part) {
            Some(offset) => place.start + offset..place.start + offset + part.len(),
            None => place.clone(),
        }
    }
}

fn read(path: &Path, most: u64, files: &mut Files) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    files.opened(path, &file.metadata()?);
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

fn what_to_do(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "give the path of a file that exists; this is a whole configuration:\n\
             [[routes]]\nprefix = \"/\"\nservers = [\"127.0.0.1:3000\"]"
        }
        io::ErrorKind::IsADirectory => "give the path of a file in it, such as `ringgate.toml`",
        _ => what_to_do_about_any(error),
    }
}

fn what_to_do_about_included(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "paths are relative to the folder of the file that names them; create it, correct the path, or remove it"
        }
        io::ErrorKind::IsADirectory => "name the files in it, as in `include = [\"routes/*.toml\"]`",
        _ => what_to_do_about_any(error),
    }
}

fn what_to_do_about_any(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "let the user that runs ringgate read the file and enter its folders"
        }
        io::ErrorKind::FileTooLarge => {
            "a configuration has at most 64 MiB, all its files together; is this the right file?"
        }
        _ => "make the file readable, or give the path of another one",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_in_the_text_that_its_positions_count_into() {
        let mut sources = Sources::default();
        let numbers = ["abc", "", "\u{feff}de"].map(|text| sources.add(text, text));
        let starts = numbers.map(|number| sources.text(number).start);
        assert_eq!(starts, [0, 4, 5]);
        let of = |position: usize| sources.of(&(position..position)).unwrap().text.as_str();
        assert_eq!([0, 2, 3, 4, 5, 7, 99].map(of), ["abc", "abc", "abc", "", "de", "de", "de"]);
    }
}
