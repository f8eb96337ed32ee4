//! The time of day as lines write it, without a system call or a calendar for each of them.

use std::time::{Duration, Instant, SystemTime};

use ringgate_core::logline::Form;
use ringgate_io::wall;

/// How long the monotonic clock is taken for the one on the wall: a step of the latter is noticed that late.
const TRUST: Duration = Duration::from_secs(1);

/// A clock that is told the time, and writes it.
pub(super) struct Clock {
    form: Form,
    /// When the one on the wall was last looked at, and what it said, since 1970.
    looked: Instant,
    said: Duration,
    /// The second that `text` says.
    second: Option<u64>,
    text: Vec<u8>,
}

impl Clock {
    pub(super) fn new(form: Form, now: Instant) -> Clock {
        Clock { form, looked: now, said: since_1970(), second: None, text: Vec::new() }
    }

    /// What the one on the wall said at `instant`, as [`Form`] wants it.
    pub(super) fn time(&mut self, instant: Instant) -> &[u8] {
        if instant.saturating_duration_since(self.looked) >= TRUST {
            (self.looked, self.said) = (instant, since_1970());
        }
        let time = self.said + instant.saturating_duration_since(self.looked);
        if self.second != Some(time.as_secs()) {
            self.write_second(time);
        }
        if self.form == Form::Json {
            let milliseconds = time.subsec_millis();
            let digits = [milliseconds / 100, milliseconds / 10 % 10, milliseconds % 10];
            let place = self.text.len() - "000Z".len();
            self.text[place..place + 3].copy_from_slice(&digits.map(|digit| b'0' + digit as u8));
        }
        &self.text
    }

    fn write_second(&mut self, time: Duration) {
        self.second = Some(time.as_secs());
        let second = SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs());
        self.text = match self.form {
            Form::Json => humantime::format_rfc3339_millis(second).to_string().into_bytes(),
            Form::Combined => combined(second).into_bytes(),
            Form::Text => Vec::new(),
        };
    }
}

/// `23/Nov/2026:08:31:28 +0000`, from `Mon, 23 Nov 2026 08:31:28 GMT`.
fn combined(second: SystemTime) -> String {
    let date = httpdate::fmt_http_date(second);
    let words: Vec<&str> = date.split(' ').collect();
    match words[..] {
        [_, day, month, year, time, _] => format!("{day}/{month}/{year}:{time} +0000"),
        _ => date,
    }
}

fn since_1970() -> Duration {
    wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a clock says that was set to `said` milliseconds, and `later` milliseconds after that.
    fn at(form: Form, said: u64, later: u64) -> String {
        let looked = Instant::now();
        let said = Duration::from_millis(said);
        let mut clock = Clock { form, looked, said, second: None, text: Vec::new() };
        clock.time(looked);
        String::from_utf8(clock.time(looked + Duration::from_millis(later)).to_vec()).unwrap()
    }

    #[test]
    fn each_form_has_its_own_way_to_say_when() {
        let said = 1_795_422_688_123;
        assert_eq!(at(Form::Json, said, 0), "2026-11-23T08:31:28.123Z");
        assert_eq!(at(Form::Json, said, 876), "2026-11-23T08:31:28.999Z");
        assert_eq!(at(Form::Json, said, 877), "2026-11-23T08:31:29.000Z");
        assert_eq!(at(Form::Combined, said, 877), "23/Nov/2026:08:31:29 +0000");
        assert_eq!(at(Form::Text, said, 0), "");
    }

    #[test]
    fn a_step_of_the_clock_on_the_wall_is_noticed() {
        let looked = Instant::now();
        let mut clock =
            Clock { form: Form::Json, looked, said: Duration::ZERO, second: None, text: Vec::new() };
        let of_1970 = |time: &[u8]| time.starts_with(b"1970-");
        assert!(of_1970(clock.time(looked + TRUST - Duration::from_millis(1))));
        assert!(!of_1970(clock.time(looked + TRUST)));
    }
}
