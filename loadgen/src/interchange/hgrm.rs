//! Percentile tables (`.hgrm`): what HdrHistogram prints and the public plotters read.
//!
//! Owns: the form, which is that of `outputPercentileDistribution` in Java and `hdr_percentiles_print` in C to the column:
//! plotters take every line of exactly four fields for a row. Values are nanoseconds here and milliseconds there.

use std::io::{self, Write};

use hdrhistogram::Histogram;

/// Rows in each half of the distance to 100 %: what the other printers take.
const TICKS: u32 = 5;
/// Nanoseconds in the unit of the table.
const UNIT_NS: f64 = 1e6;

/// Writes the distribution of `histogram`, of nanoseconds, in milliseconds.
///
/// # Errors
/// What the output says.
pub fn write(mut output: impl Write, histogram: &Histogram<u64>) -> io::Result<()> {
    writeln!(
        output,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut seen = 0;
    for tick in histogram.iter_quantiles(TICKS) {
        seen += tick.count_since_last_iteration();
        let value = tick.value_iterated_to() as f64 / UNIT_NS;
        let quantile = tick.quantile_iterated_to();
        writeln!(output, "{value:12.3} {quantile:2.12} {seen:10} {:14.2}", 1.0 / (1.0 - quantile))?;
    }
    write_end(&mut output, histogram)
}

fn write_end(output: &mut impl Write, histogram: &Histogram<u64>) -> io::Result<()> {
    let (mean, deviation) = (histogram.mean() / UNIT_NS, histogram.stdev() / UNIT_NS);
    writeln!(output, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]")?;
    let max = histogram.max() as f64 / UNIT_NS;
    writeln!(output, "#[Max     = {max:12.3}, Total count    = {:12}]", histogram.len())?;
    let (buckets, sub_buckets) = (histogram.buckets(), sub_buckets(histogram));
    writeln!(output, "#[Buckets = {buckets:12}, SubBuckets     = {sub_buckets:12}]")
}

/// The crate does not tell: the power of two from which twice ten to the digits are told apart.
fn sub_buckets(histogram: &Histogram<u64>) -> u64 {
    (2 * 10_u64.pow(histogram.sigfig().into())).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::recorder::histogram;

    fn written(values: impl IntoIterator<Item = u64>) -> String {
        let mut filled = histogram();
        values.into_iter().for_each(|value| filled.saturating_record(value));
        let mut text = Vec::new();
        write(&mut text, &filled).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// The rows as a plotter sees them: lines that begin with white space and have four fields.
    fn rows(text: &str) -> Vec<[f64; 4]> {
        let row = |line: &str| {
            let fields: Option<Vec<f64>> = line.split_whitespace().map(|field| field.parse().ok()).collect();
            fields?.try_into().ok()
        };
        text.lines().filter(|line| line.starts_with(' ')).filter_map(row).collect()
    }

    #[test]
    fn the_table_has_the_form_of_the_other_printers() {
        let text = written((1..=100).map(|step| step * 1_000_000));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "       Value     Percentile TotalCount 1/(1-Percentile)");
        assert_eq!(lines[1], "");
        assert_eq!(lines[2], "       1.000 0.000000000000          1           1.00");
        assert_eq!(lines[lines.len() - 3], "#[Mean    =       50.499, StdDeviation   =       28.866]");
        assert_eq!(lines[lines.len() - 2], "#[Max     =      100.008, Total count    =          100]");
        assert!(lines[lines.len() - 1].ends_with("SubBuckets     =         2048]"));
    }

    #[test]
    fn every_row_has_four_fields_and_the_last_one_is_everything() {
        let rows = rows(&written((1..=10_000).map(|step| step * 1000)));
        assert!(rows.is_sorted_by(|one, next| one[0] <= next[0] && one[2] <= next[2]));
        assert!(rows.len() > 40, "{}", rows.len());
        let last = rows.last().unwrap();
        assert_eq!((last[1], last[2], last[3]), (1.0, 10_000.0, f64::INFINITY));
    }

    #[test]
    fn a_histogram_of_nothing_is_a_table_without_rows() {
        assert!(written([]).contains("Total count    =            0]"));
    }
}
