//! Tables as kubectl prints them: columns three spaces apart, no trailing space.

/// Rows under a header.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
    numbers_from: usize,
}

impl Table {
    /// An empty table.
    pub fn new(header: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let header: Vec<String> = header.into_iter().map(Into::into).collect();
        Self { numbers_from: header.len(), rows: vec![header] }
    }

    /// Aligns the columns from this one on to the right.
    #[must_use]
    pub fn numbers_from(mut self, column: usize) -> Self {
        self.numbers_from = column;
        self
    }

    /// Adds a row, with a cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row: Vec<String> = cells.into_iter().collect();
        row.resize(self.rows[0].len(), String::new());
        self.rows.push(row);
    }

    /// The same as Markdown.
    pub fn markdown(&self) -> String {
        let line = |row: &Vec<String>| format!("| {} |", row.join(" | "));
        let columns = self.rows[0].len();
        let rule = (0..columns).map(|column| if column < self.numbers_from { "---" } else { "---:" });
        let rule = format!("| {} |", rule.collect::<Vec<_>>().join(" | "));
        let body = self.rows[1..].iter().map(line);
        [line(&self.rows[0]), rule].into_iter().chain(body).collect::<Vec<_>>().join("\n")
    }

    /// The table, or `empty` when it has no rows.
    pub fn text(&self, empty: &str) -> String {
        if self.rows.len() == 1 {
            return empty.into();
        }
        let columns = self.rows[0].len();
        let widths: Vec<usize> =
            (0..columns).map(|c| self.rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                if column < self.numbers_from { format!("{cell:width$}") } else { format!("{cell:>width$}") }
            });
            cells.collect::<Vec<_>>().join("   ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}
