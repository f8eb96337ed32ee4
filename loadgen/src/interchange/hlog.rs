//! Interval logs (`.hlog`): histograms over time, one a line, as every port of HdrHistogram reads them.
//!
//! Owns: the form of the file (version 1.3), the words of a tag, and the clocks of a saved run as lines. The crate's own
//! writer knows neither the version line nor the legend, without which Java's tools complain.
//! Assumes: values are nanoseconds. The `Interval_Max` beside a blob is for people: milliseconds, as other writers have it.

use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use crate::interchange::blob::Blob;

/// What Java, JavaScript and Python divide a maximum by before they print it: nanoseconds in a millisecond.
const MAX_UNIT_NS: f64 = 1e6;
const VERSION: &str = "#[Histogram log format version 1.3]";
const LEGEND: &str = r#""StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram""#;

/// Writes a log line by line.
#[derive(Debug)]
pub struct Writer<W: Write> {
    output: W,
}

impl<W: Write> Writer<W> {
    /// Begins a log of a run that began at `started`: version, start, legend.
    ///
    /// # Errors
    /// What the output says.
    pub fn new(mut output: W, started: SystemTime) -> io::Result<Writer<W>> {
        let since = started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let date = humantime::format_rfc3339_millis(started);
        writeln!(output, "{VERSION}")?;
        writeln!(output, "#[StartTime: {:.3} (seconds since epoch), {date}]", since.as_secs_f64())?;
        writeln!(output, "{LEGEND}")?;
        Ok(Writer { output })
    }

    /// One line: what `histogram` recorded from `start` after the run's start, for `length`. Readers add up the lines of a
    /// tag, so no value may stand in two of them.
    ///
    /// # Errors
    /// What the output says.
    pub fn line(
        &mut self,
        tag: &str,
        start: Duration,
        length: Duration,
        histogram: &Histogram<u64>,
    ) -> io::Result<()> {
        let blob = Blob(histogram.clone()).text().map_err(io::Error::other)?;
        let max = histogram.max() as f64 / MAX_UNIT_NS;
        let (start, length) = (start.as_secs_f64(), length.as_secs_f64());
        writeln!(self.output, "Tag={},{start:.3},{length:.3},{max:.3},{blob}", tag_of(tag))
    }

    /// What was written is where the output goes.
    ///
    /// # Errors
    /// What the output says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    /// Ends the log and gives the output back, flushed.
    ///
    /// # Errors
    /// What the output says.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }
}

/// A tag ends at a comma and a line at its end; readers in shells split at white space too.
fn tag_of(name: &str) -> String {
    let is_harmless = |c: char| c != ',' && !c.is_whitespace() && !c.is_control();
    name.chars().map(|c| if is_harmless(c) { c } else { '_' }).collect()
}

/// A log in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// When the run began, after the epoch, if the log says so.
    pub started: Option<Duration>,
    /// Its lines, in their order.
    pub lines: Vec<Line>,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What was measured; nothing in logs that hold one thing only.
    pub tag: Option<String>,
    /// When, after the start of the run.
    pub start: Duration,
    /// For how long.
    pub length: Duration,
    /// What.
    pub histogram: Histogram<u64>,
}

impl Log {
    /// All lines of a tag added up; nothing if there is none.
    pub fn total(&self, tag: &str) -> Option<Histogram<u64>> {
        let lines = self.lines.iter().filter(|line| line.tag.as_deref() == Some(tag));
        lines.map(|line| line.histogram.clone()).reduce(|mut sum, next| {
            sum.auto(true);
            sum.add(&next).expect("a histogram that grows takes every value");
            sum
        })
    }
}

/// Reads a log, of ours or of another program.
///
/// # Errors
/// Where the text stops being a log, or a blob in it is not a histogram.
pub fn read(text: &str) -> Result<Log, String> {
    let mut log = Log { started: None, lines: Vec::new() };
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        match entry.map_err(|error| format!("not an interval log ({error:?})"))? {
            LogEntry::StartTime(at) => log.started = Some(at),
            LogEntry::BaseTime(_) => {}
            LogEntry::Interval(interval) => log.lines.push(Line {
                tag: interval.tag().map(|tag| tag.as_str().to_owned()),
                start: interval.start_timestamp(),
                length: interval.duration(),
                histogram: Blob::parse(interval.encoded_histogram())?.0,
            }),
        }
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::recorder::histogram;

    fn filled(values: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut filled = histogram();
        values.into_iter().for_each(|value| filled.saturating_record(value));
        filled
    }

    fn written() -> String {
        let started = UNIX_EPOCH + Duration::from_millis(1_441_812_279_474);
        let mut log = Writer::new(Vec::new(), started).unwrap();
        let second = Duration::from_secs(1);
        log.line("response", Duration::ZERO, second, &filled([1_500_000, 2_000_000])).unwrap();
        log.line("response", second, second, &filled([3_000_000])).unwrap();
        log.line("service of\nhttp://h/a,b", Duration::ZERO, 2 * second, &filled([1])).unwrap();
        String::from_utf8(log.finish().unwrap()).unwrap()
    }

    #[test]
    fn a_log_begins_with_version_start_and_legend_and_tells_maxima_in_milliseconds() {
        let text = written();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "#[Histogram log format version 1.3]");
        assert_eq!(lines[1], "#[StartTime: 1441812279.474 (seconds since epoch), 2015-09-09T15:24:39.474Z]");
        assert!(lines[2].starts_with("\"StartTimestamp\",\"Interval_Length\""));
        assert!(lines[3].starts_with("Tag=response,0.000,1.000,2.001,HISTF"), "{}", lines[3]);
        assert_eq!(lines.len(), 6);
    }

    #[test]
    fn a_tag_holds_nothing_that_would_end_it() {
        assert!(written().contains("\nTag=service_of_http://h/a_b,0.000,2.000,0.000,HISTF"));
    }

    #[test]
    fn what_is_written_is_read_bucket_for_bucket() {
        let log = read(&written()).unwrap();
        assert_eq!(log.started, Some(Duration::from_millis(1_441_812_279_474)));
        assert_eq!(log.lines[1].start, Duration::from_secs(1));
        assert_eq!(log.total("response").unwrap(), filled([1_500_000, 2_000_000, 3_000_000]));
        assert_eq!(log.total("nothing"), None);
    }

    /// The first lines of a log by jHiccup, as HdrHistogram's own tests have it: no version we write, no tag.
    #[test]
    fn a_log_without_tags_is_read_too() {
        let text = format!(
            "#[Logged with another program]\n#[Histogram log format version 1.2]\n#[StartTime: 1441812279.474 (seconds \
             since epoch), Wed Sep 09 08:24:39 PDT 2015]\n{LEGEND}\n0.127,1.007,2.769,{}\n",
            Blob(filled([7])).text().unwrap()
        );
        let log = read(&text).unwrap();
        assert_eq!((log.lines.len(), log.lines[0].tag.as_deref()), (1, None));
        assert_eq!(log.lines[0].histogram, filled([7]));
    }

    #[test]
    fn what_is_no_log_is_refused() {
        for wrong in ["hello\n", "Tag=a,0.000,1.000,2.000,HISTF\n", "Tag=a,x,1.000,2.000,HISTFAAAA\n"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
