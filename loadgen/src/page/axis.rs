//! Axes: from a value to a place, and the values worth a mark.

/// Where values lie on a line from 0 to 1, and its marks.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    kind: Kind,
    low: f64,
    high: f64,
    /// Values and their words.
    pub(super) marks: Vec<(f64, String)>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Linear,
    Logarithmic,
}

/// Marks on a linear axis, about.
const MARKS: f64 = 5.0;
/// Decades up to which a logarithmic axis has marks at 2 and 5 too.
const FEW_DECADES: f64 = 3.0;

impl Axis {
    /// Latencies in nanoseconds, on a logarithmic scale with some air around them.
    pub(super) fn latency(low_ns: u64, high_ns: u64) -> Axis {
        let low = (low_ns.max(1) as f64 / 1.25).log10();
        let high = (high_ns.max(2) as f64 * 1.25).log10().max(low + 0.5);
        let steps: &[f64] = if high - low <= FEW_DECADES { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let decades = low.floor() as i32..=high.ceil() as i32;
        let marks = decades.flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
        let is_inside = |value: &f64| (low..=high).contains(&value.log10());
        let marks = marks.filter(is_inside).map(|value| (value, short(value))).collect();
        Axis { kind: Kind::Logarithmic, low, high, marks }
    }

    /// Quantiles by 1 / (1 - q), so that each nine is as wide as the one before; of this many samples.
    pub(super) fn quantiles(samples: u64) -> Axis {
        let high = (samples.max(10) as f64).log10();
        let marks = [("0 %", 1.0), ("50 %", 2.0)].map(|(name, value)| (value, name.to_owned()));
        let nines = (1..).map(|nines| (10_f64.powi(nines), percent(nines as usize)));
        let nines = nines.take_while(|(value, _)| value.log10() <= high);
        Axis { kind: Kind::Logarithmic, low: 0.0, high, marks: marks.into_iter().chain(nines).collect() }
    }

    /// Seconds from the start of a run.
    pub(super) fn seconds(length: f64) -> Axis {
        Axis::linear(length, |value| format!("{value} s"))
    }

    /// Counts per second, from zero.
    pub(super) fn rates(high: f64) -> Axis {
        Axis::linear(high * 1.08, thousands)
    }

    fn linear(high: f64, words: impl Fn(f64) -> String) -> Axis {
        let high = if high > 0.0 { high } else { 1.0 };
        let step = step(high / MARKS);
        let marks = (0..).map(|index| rounded(f64::from(index) * step)).take_while(|value| *value <= high);
        let marks = marks.map(|value| (value, words(value))).collect();
        Axis { kind: Kind::Linear, low: 0.0, high, marks }
    }

    /// The place of `value`, from 0 to 1; what lies outside is at the edge.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = match self.kind {
            Kind::Linear => value,
            Kind::Logarithmic => value.max(f64::MIN_POSITIVE).log10(),
        };
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// The next 1, 2 or 5 times a power of ten.
fn step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * power >= least * 0.999);
    digit.unwrap_or(10.0) * power
}

/// Without what binary fractions leave behind the ninth decimal.
fn rounded(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

/// `90 %`, `99 %`, `99.9 %`.
fn percent(nines: usize) -> String {
    match nines {
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        _ => format!("99.{} %", "9".repeat(nines - 2)),
    }
}

/// A mark's nanoseconds: `50 µs`.
fn short(ns: f64) -> String {
    let (value, unit) = match ns {
        ..999.0 => (ns, "ns"),
        ..999e3 => (ns / 1e3, "µs"),
        ..999e6 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    format!("{} {unit}", rounded(value))
}

fn thousands(value: f64) -> String {
    match value {
        ..10_000.0 => format!("{value}"),
        ..1e6 => format!("{} k", rounded(value / 1e3)),
        _ => format!("{} M", rounded(value / 1e6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(axis: &Axis) -> Vec<&str> {
        axis.marks.iter().map(|mark| mark.1.as_str()).collect()
    }

    #[test]
    fn each_nine_is_as_wide_as_the_one_before() {
        let axis = Axis::quantiles(100_000);
        assert_eq!(words(&axis), ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"]);
        let places: Vec<f64> = [1.0, 10.0, 100.0, 100_000.0].map(|value| axis.place(value)).into();
        assert_eq!(places, [0.0, 0.2, 0.4, 1.0]);
    }

    #[test]
    fn latencies_have_round_marks_and_all_lie_inside() {
        assert_eq!(words(&Axis::latency(120_000, 2_000_000)), ["100 µs", "200 µs", "500 µs", "1 ms", "2 ms"]);
        assert_eq!(words(&Axis::latency(50_000, 3_000_000_000)).last(), Some(&"1 s"));
        assert!(!Axis::latency(0, 0).marks.is_empty());
    }

    #[test]
    fn linear_marks_are_round_and_begin_at_nothing() {
        assert_eq!(words(&Axis::seconds(10.0)), ["0 s", "2 s", "4 s", "6 s", "8 s", "10 s"]);
        assert_eq!(words(&Axis::seconds(0.7))[1], "0.2 s");
        assert_eq!(words(&Axis::rates(46_000.0)), ["0", "10 k", "20 k", "30 k", "40 k"]);
        assert_eq!(words(&Axis::rates(0.0))[0], "0");
    }
}
