//! A table that can be read as text and as Markdown.

/// Rows of cells under a heading.
pub(crate) struct Sheet {
    rows: Vec<Vec<String>>,
}

impl Sheet {
    pub(crate) fn new(heading: &[&str]) -> Sheet {
        Sheet { rows: vec![heading.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// Columns side by side: the first one to the left, numbers to the right.
    pub(crate) fn text(&self) -> String {
        let widths: Vec<usize> = (0..self.rows[0].len()).map(|column| self.width(column)).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        self.rows.iter().map(line).collect()
    }

    pub(crate) fn markdown(&self) -> String {
        let line = |row: &Vec<String>| {
            let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = format!("|:--|{}\n", "--:|".repeat(self.rows[0].len() - 1));
        let (heading, rows) = self.rows.split_at(1);
        line(&heading[0]) + &rule + &rows.iter().map(line).collect::<String>()
    }

    fn width(&self, column: usize) -> usize {
        self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

/// Nanoseconds as a person reads them.
pub(crate) fn time(nanoseconds: f64) -> String {
    let (divisor, unit) = match nanoseconds {
        ..1e3 => (1.0, "ns"),
        ..1e6 => (1e3, "us"),
        ..1e9 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    let value = nanoseconds / divisor;
    let digits = if value < 10.0 { 2 } else { 1 };
    format!("{value:.digits$} {unit}")
}

/// The same, or a dash for what is not known.
pub(crate) fn time_or_dash(nanoseconds: Option<f64>) -> String {
    nanoseconds.map_or_else(|| "-".to_owned(), time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_reads_as_text_and_as_markdown() {
        let mut sheet = Sheet::new(&["metric", "B / A"]);
        assert!(sheet.is_empty());
        sheet.push(vec!["cpu|x".to_owned(), "1.1".to_owned()]);
        assert_eq!(sheet.text(), "metric  B / A\ncpu|x     1.1\n");
        assert_eq!(sheet.markdown(), "| metric | B / A |\n|:--|--:|\n| cpu\\|x | 1.1 |\n");
    }

    #[test]
    fn times_have_a_unit_that_suits_them() {
        let told = [999.0, 1234.0, 20_150.0, 1e9].map(time);
        assert_eq!(told, ["999.0 ns", "1.23 us", "20.1 us", "1.00 s"]);
        assert_eq!(time_or_dash(None), "-");
    }
}
